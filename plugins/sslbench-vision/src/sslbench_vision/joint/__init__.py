"""What joint-embedding methods share: heads, momentum networks, queues, and recipes."""
