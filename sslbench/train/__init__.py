"""The one training loop, with its optimisers, schedules, feeds and checkpoints."""
