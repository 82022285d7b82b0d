"""What was asked for, as a typed, frozen plan; every problem of a request at once, each with its dotted path."""
