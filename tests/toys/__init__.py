"""Toy components that carry every hard case through the contract; a plugin like any other, but in memory."""
