"""Code and its manifests, read for one question: which AI does it use? Nothing is run, resolved or fetched."""
