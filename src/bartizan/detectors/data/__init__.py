"""What looks at data that models are trained on: tables of rows with labels."""
