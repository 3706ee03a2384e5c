"""Sounds → corpus: importers and the packed folder of equally long notes that everything after this room reads."""
