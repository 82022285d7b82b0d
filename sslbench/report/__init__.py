"""Tables, figures, pages and progress for people to read."""
