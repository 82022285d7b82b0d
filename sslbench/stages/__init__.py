"""How a stage's output comes to be: whole, once, by one process at a time, on any number of machines."""
