"""Frozen networks: sound → logits over AudioSet's classes, or an embedding alone. `load` fetches nothing."""

from darktimbre.teachers.tagger import EMBEDDERS, NAMES, Embedder, Tagger, load, load_embedder

__all__ = ["EMBEDDERS", "NAMES", "Embedder", "Tagger", "load", "load_embedder"]
