"""Make stages: each once, by one process at a time, on any number of machines."""
