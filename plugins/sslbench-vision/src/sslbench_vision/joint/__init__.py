"""What joint-embedding methods share: heads, momentum networks, queues, prototypes, and their published recipes."""
