"""Train methods: the loop, optimizers, schedules, feeds and checkpoints."""
