"""Whatever a model was made with, as a `Target`: one thin adapter for each kind, opened by `opening.open_target`."""
