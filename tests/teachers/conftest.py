"""A cache of weights for every test, and a checkpoint that would run code."""

from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the weights of this test alone."""
    monkeypatch.setenv("DARKTIMBRE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "weights"


class Trap:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A checkpoint that would write the file `sprung` beside itself."""
    torch.save({"model": {}, "trap": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    return tmp_path / "trap.pth"
