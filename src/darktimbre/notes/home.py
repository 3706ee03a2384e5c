"""Where darktimbre keeps its own data on this machine: weights of teachers, presets, exported networks."""

import os
import sys
from pathlib import Path


def home() -> Path:
    """The folder, which need not exist: DARKTIMBRE_HOME, or the place that the system has for such data."""
    if own := os.environ.get("DARKTIMBRE_HOME"):
        return Path(own)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "darktimbre"
