"""What all rooms share: notes, pitch, an instrument's attributes, soft labels, errors. No torch, no files."""
