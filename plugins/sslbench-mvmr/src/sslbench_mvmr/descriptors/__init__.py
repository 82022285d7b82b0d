"""Hand-crafted image descriptors as encoders without parameters: specs and their implementations side by side."""
