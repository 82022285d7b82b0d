"""Methods: one module with the spec and one with the implementation each."""
