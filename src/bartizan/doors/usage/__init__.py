"""Which AI is used here, by whom and how much, and what may be done about it."""
