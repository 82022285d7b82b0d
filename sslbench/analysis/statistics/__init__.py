"""Compute statistics from arrays. Pure: no torch, no files."""
