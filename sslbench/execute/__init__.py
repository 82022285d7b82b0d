"""The local executor. Executors of clusters are plugins."""
