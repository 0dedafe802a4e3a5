"""The AI that exists here: the register of systems in use, and what may be done about it."""
