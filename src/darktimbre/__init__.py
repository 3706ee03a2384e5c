"""Sounds in, an instrument steered with words out: sound → corpus → tags → spectra → model → bundle → synthesizer."""

__version__ = "0.1.0"
