"""Shared parts of joint-embedding methods: heads, momentum networks, queues and recipes."""
