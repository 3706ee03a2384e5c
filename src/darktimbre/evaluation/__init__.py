"""Systems × conditions × extractors → measures → report: how real sounds are, and how well controls are followed."""
