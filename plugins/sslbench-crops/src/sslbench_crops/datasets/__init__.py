"""Datasets with two sensors at every instant: specs and readers side by side."""
