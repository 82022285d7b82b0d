"""Prepare datasets, divide them into splits, and make batches of views; labels reach only methods that use them."""
