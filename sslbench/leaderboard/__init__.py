"""Leaderboards: suites, submitted bundles, their checks, tables and pages. Trains nothing."""
