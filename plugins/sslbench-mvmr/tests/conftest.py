"""Fixtures of the conformance kit; a slow machine fails no test of Hypothesis."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["sslbench.testing.pytest_fixtures"]

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
