"""Backbones for images."""
