"""The trained instrument on disk: the one door between making (training) and playing (synthesizer)."""
