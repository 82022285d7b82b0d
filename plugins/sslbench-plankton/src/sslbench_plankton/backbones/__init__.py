"""Encoders of profiles: what an instrument sees while a particle passes."""
