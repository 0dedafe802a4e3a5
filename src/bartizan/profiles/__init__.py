"""Arithmetic of behaviour over time: what is usual, and how far something is from it. Values in, values out."""
