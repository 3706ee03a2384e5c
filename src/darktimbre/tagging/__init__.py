"""Corpus × teacher → logits beside the corpus, row by row; then temperature, and the choice of attributes."""
