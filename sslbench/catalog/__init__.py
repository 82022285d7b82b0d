"""What is installed: discovery one entry point at a time, with failures kept as facts."""
