"""Frozen models that describe sound: teacher, embedding, classifier, pitch → features, cached by digest."""
