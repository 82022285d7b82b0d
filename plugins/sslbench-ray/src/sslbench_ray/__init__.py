"""Ray executor for sslbench."""
