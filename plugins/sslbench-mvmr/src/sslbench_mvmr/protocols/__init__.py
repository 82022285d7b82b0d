"""The protocol that measures dependence on descriptors: its spec and its implementation side by side."""
