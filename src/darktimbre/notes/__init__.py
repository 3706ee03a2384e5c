"""The nouns all rooms share: notes, pitch, the attributes of an instrument, errors told to users. No torch, no files."""
