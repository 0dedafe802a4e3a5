"""Training data that was made wrong: backdoors that are confirmed on the model, wrong labels, outliers."""
