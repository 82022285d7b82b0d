"""Methods that use distance correlation, and distillation: specs and their implementations side by side."""
