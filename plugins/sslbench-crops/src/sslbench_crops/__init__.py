"""Two sensors at one place and time: crops from two satellites, motions from two sensors of a watch."""
