"""Datasets of images for everyday use."""
