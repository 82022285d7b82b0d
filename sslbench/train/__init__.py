"""The one training loop, with its optimizers, schedules, feeds and checkpoints."""
