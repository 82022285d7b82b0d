"""Studies: a grid of runs, and the tables and figures made from it."""
