"""Detectors for flows: connections, by where they lead and how much goes through."""
