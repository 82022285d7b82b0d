"""Methods for pairs of modalities: specs and their implementations side by side."""
