"""What people and programs read of an assessment: a page, a few lines, a section of a model card, SARIF."""
