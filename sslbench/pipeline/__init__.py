"""Run the stages of one run, and write its record."""
