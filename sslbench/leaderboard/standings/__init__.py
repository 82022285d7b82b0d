"""Compare submitted results: entries, boards, and comparisons across the boards of a suite."""
