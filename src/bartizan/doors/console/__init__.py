"""The console: pages for the people who watch, decide and prove. A process of its own; the gateway lives without it."""
