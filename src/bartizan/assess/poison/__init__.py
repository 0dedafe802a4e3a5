"""Training data that somebody, or carelessness, made wrong: backdoors confirmed on the model, wrong labels, outliers."""
