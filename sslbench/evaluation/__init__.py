"""Evaluate encoders: extract features, run protocols, and derive scores."""
