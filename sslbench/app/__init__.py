"""Carry out the commands: run, study, data, leaderboard, and their workers."""
