"""Encoders of single steps."""
