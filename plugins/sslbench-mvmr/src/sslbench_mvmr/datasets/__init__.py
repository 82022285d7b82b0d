"""Datasets in their published layouts: specs and their readers side by side."""
