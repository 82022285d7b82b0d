"""Numbers into numbers: metrics, intervals, geometry, tables. Pure: no torch, no files."""
