"""Leaderboards: suites, submitted bundles, their checks, and the tables and pages made from them. Runs nothing."""
