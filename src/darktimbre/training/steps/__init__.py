"""One training step each, on one screen: losses are composed and weighted here and nowhere else."""
