"""Compare submitted results: entries, boards, and what all boards of a suite show together."""
