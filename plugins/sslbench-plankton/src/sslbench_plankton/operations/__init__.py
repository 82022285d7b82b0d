"""What may be changed of a profile, and of a picture together with its profile."""
