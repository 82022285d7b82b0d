"""The measuring instruments and what they are lent: features, tasks, a bench."""
