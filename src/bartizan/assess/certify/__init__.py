"""Certificates: how many rows no change within the ball can flip, proven, beside what the attacks broke."""
