"""Detectors for logs: what somebody did, as it was written down."""
