"""Slurm executor for sslbench."""
