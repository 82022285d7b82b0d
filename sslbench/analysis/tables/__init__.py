"""Make tables from records. Pure: no torch, no files."""
