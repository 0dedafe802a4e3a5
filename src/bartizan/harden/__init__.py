"""Makes a model stronger, and proves the difference: the same rows, before and after, under the full assessment."""
