"""Prepared datasets, splits and batches of views; never labels to a method that takes none."""
