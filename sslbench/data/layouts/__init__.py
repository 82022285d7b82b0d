"""Built-in layouts: each has a spec and an implementation."""
