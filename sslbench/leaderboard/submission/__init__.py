"""Write, read and check submitted bundles."""
