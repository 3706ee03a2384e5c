"""Measures: arrays → numbers, pure, in float64; one equation, one function."""
