"""Everyday datasets."""
