"""Frozen listeners: sound → logits over AudioSet's classes. `load` finds a teacher by name and fetches nothing."""

from darktimbre.teachers.tagger import NAMES, Tagger, load

__all__ = ["NAMES", "Tagger", "load"]
