"""Evaluation protocols: each has a spec and an evaluator."""
