"""The two clients, one line per method over the same operations."""
