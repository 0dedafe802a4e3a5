"""What looks at models: at what was measured of them."""
