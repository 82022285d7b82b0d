"""Contrastive methods for vectors of one or two sensors."""
