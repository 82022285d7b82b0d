"""Compute statistics and tables from scores and records. Pure: no torch, no files."""
