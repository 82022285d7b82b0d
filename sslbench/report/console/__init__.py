"""Format tables and progress for terminals."""
