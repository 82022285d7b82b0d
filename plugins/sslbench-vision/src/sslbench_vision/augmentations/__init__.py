"""Named sets of operations: data."""
