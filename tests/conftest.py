"""What every test may use: real material from the folder beside the checkout, where it is there."""

from collections.abc import Callable
from pathlib import Path

import pytest

import darktimbre  # noqa: F401  # before torchmetrics, which imports onnxruntime: it switches off that one's telemetry

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
