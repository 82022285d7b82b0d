"""Share one training between processes."""
