"""Sounds in, an instrument steered with words out: sound → corpus → tags → spectra → model → bundle → synthesizer."""

import os

# onnxruntime 1.32 and later report usage to Microsoft and keep a device id in the home folder once imported, and
# Lightning Fabric imports them through torchmetrics. Importing darktimbre changes nothing else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
