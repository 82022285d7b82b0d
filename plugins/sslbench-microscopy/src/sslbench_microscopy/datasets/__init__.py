"""Datasets of cells."""
