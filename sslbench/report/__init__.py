"""Tables and progress as people see them."""
