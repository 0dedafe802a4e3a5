"""Logs that grow and are rotated, read for ever: `bartizan watch`."""
