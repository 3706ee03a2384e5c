"""Synthesizer × teacher × measures → report: how well a trained instrument does what it is told."""
