"""The trained instrument on disk: training writes it, the synthesizer and all that plays reads it."""
