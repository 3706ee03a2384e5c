"""One equation, one pure function: what the networks are trained to do. Weights are applied by the training step."""
