"""Run workers on this machine. Executors for clusters are plugins."""
