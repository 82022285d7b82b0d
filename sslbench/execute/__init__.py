"""Where runs run: in this process, in several, on a cluster."""
