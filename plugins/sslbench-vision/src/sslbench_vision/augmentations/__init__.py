"""Augmentations: named sets of operations."""
