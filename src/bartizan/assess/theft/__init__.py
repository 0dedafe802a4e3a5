"""Theft: how well a copy answers that was trained on the model's answers alone, and what that costs."""
