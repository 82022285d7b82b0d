"""Cells under the microscope, for sslbench."""
