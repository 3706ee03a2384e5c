"""Files ⇄ arrays: read any sound file, resample, fit to length, write; loudness and pitch of plain arrays."""
