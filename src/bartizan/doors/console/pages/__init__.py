"""One module a page, or a few that belong together. Each ends with its `ROUTES`."""
