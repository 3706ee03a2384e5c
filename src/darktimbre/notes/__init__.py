"""The nouns all rooms share: notes, pitch, the attributes of an instrument, errors. No torch, no files."""
