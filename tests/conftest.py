"""What every test may use: real material from the folder beside the checkout, where it is there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.export.player import PlayerReport, export_player
from darktimbre.synthesizer.synthesizer import Synthesizer

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("sounds/nsynth-mini")` → its path; skips the test, with the reason, when it is not there."""

    def locate(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"the extra real data ../shared/{relative} is not beside this checkout")
        return path

    return locate


@pytest.fixture(scope="session")
def tiny() -> Synthesizer:
    """The tiny instrument."""
    return Synthesizer(tiny_bundle(baseline=[0.1, 0.2, 0.3]))


@pytest.fixture(scope="session")
def tiny_player(tiny: Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> PlayerReport:
    """Its folder that plays alone, with its ONNX file in it; not to be changed. Exporting takes seconds, hence once."""
    pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
    return export_player(tiny, tmp_path_factory.mktemp("player") / "tiny")
