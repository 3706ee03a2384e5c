"""What every test may use: the command line, the tiny bundle, and real data where it lies beside the checkout."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.tiny import tiny_bundle
from typer.testing import CliRunner

from darktimbre.cli.main import app
from darktimbre.export import runtime
from darktimbre.export.player import PlayerReport, export_player
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

Run = Callable[..., str]
"""`run("synth", "scale", bundle, …, status=2)` → what was printed, in one line; the exit status must be `status`."""

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
def run() -> Run:
    def call(*words: object, status: int = 0) -> str:
        ended = CliRunner().invoke(app, [str(word) for word in words])
        assert ended.exit_code == status, (ended.output, ended.exception)
        return " ".join(ended.output.split())

    return call


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle().save_pretrained(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def tiny() -> Synthesizer:
    """The tiny instrument."""
    return Synthesizer(tiny_bundle(baseline=[0.1, 0.2, 0.3]))


@pytest.fixture(scope="session")
def starter() -> Synthesizer:
    return Synthesizer.from_pretrained("starter")


@pytest.fixture(scope="session")
def tiny_player(tiny: Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> PlayerReport:
    """The stand-alone folder of the tiny instrument, with its ONNX file; not to be changed. Made once."""
    pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
    return export_player(tiny, tmp_path_factory.mktemp("player") / "tiny")


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the tiny bundle was prepared for onnxruntime, where that is installed; nothing is chosen."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DARKTIMBRE_HOME", str(home))
        with contextlib.suppress(UserError):
            assert runtime.by_onnx(Synthesizer(tiny_bundle())).runtime == "onnx"
            assert len(list(runtime.cache().glob("*.onnx"))) == 1
    return home


@pytest.fixture
def onnx_bundle(prepared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny bundle in a folder, in a copy of `prepared_home`."""
    monkeypatch.setenv("DARKTIMBRE_HOME", str(shutil.copytree(prepared_home, tmp_path / "home")))
    return str(tiny_bundle().save_pretrained(tmp_path / "tiny"))
