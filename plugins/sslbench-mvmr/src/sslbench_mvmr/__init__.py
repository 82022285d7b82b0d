"""MV-MR: dependence on descriptors, distillation, and the data of its study, for sslbench."""
