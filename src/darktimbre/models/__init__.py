"""The networks, between spectra and bundle: pure modules; no loss, no file, no optimiser."""
