"""What did it learn: inputs that excite a network's units, what units cause when it plays, edits worth keeping."""
