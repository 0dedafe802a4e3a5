"""The door where models come in: `bartizan assess`, `bartizan assess compare` and `bartizan harden`."""
