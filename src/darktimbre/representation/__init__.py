"""Sound ⇄ picture: short-time spectra, instantaneous frequency, mel, Griffin-Lim; each with its named inverse."""
