"""Plankton datasets and their preparation for sslbench."""
