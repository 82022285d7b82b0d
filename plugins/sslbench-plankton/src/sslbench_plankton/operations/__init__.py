"""What may be changed of a profile, and of a image together with its profile."""
