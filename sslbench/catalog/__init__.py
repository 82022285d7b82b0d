"""Discover installed components; failures of plugins are recorded as problems."""
