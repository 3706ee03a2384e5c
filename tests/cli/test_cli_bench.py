"""`bench rtf` and the choice of a runtime: what is measured, told, kept, and taken again."""

import contextlib
import json
import shutil
from pathlib import Path

import mido
import pytest
from tests.bundle.tiny import tiny_bundle
from typer.testing import CliRunner

from darktimbre.cli.bench import cells_of
from darktimbre.cli.main import app
from darktimbre.export import runtime
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.timing import Spent


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the tiny instrument was prepared for onnxruntime, where that is installed; nothing is chosen."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DARKTIMBRE_HOME", str(home))
        with contextlib.suppress(UserError):
            assert runtime.by_onnx(Synthesizer(tiny_bundle())).runtime == "onnx"
            assert len(list(runtime.cache().glob("*.onnx"))) == 1
    return home


@pytest.fixture
def bundle(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DARKTIMBRE_HOME", str(shutil.copytree(prepared, tmp_path / "home")))
    return str(tiny_bundle().save_pretrained(tmp_path / "tiny"))


def test_the_table_and_its_file(bundle: str, tmp_path: Path) -> None:
    out = tmp_path / "rtf.json"
    asked = ["bench", "rtf", bundle, "--threads", "1", "--batch", "1,2", "--runtime", "torch", "--rounds", "2"]
    result = CliRunner().invoke(app, [*asked, "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert "0.25 s" in result.output
    assert "torch ●" in result.output
    told = json.loads(out.read_text())
    assert told["bundle"] == tiny_bundle().digest
    assert [(one["runtime"], one["threads"], one["batch"]) for one in told["cells"]] == [
        ("torch", 1, 1),
        ("torch", 1, 2),
    ]
    for one in told["cells"]:
        assert 0 < one["network_ms"] + one["inversion_ms"] <= one["total_ms"]
        assert one["real_time_factor"] == pytest.approx(one["total_ms"] / 250)
        assert one["notes_per_second"] == pytest.approx(1000 / one["total_ms"])
    assert [one["chosen"] for one in told["cells"]] == [True, False]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--threads", "0"], "--threads"),
        (["--batch", "two"], "--batch"),
        (["--runtime", "tvm"], "--runtime takes"),
        (["--runtime", "torch", "--keep"], "--keep chooses"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(bundle: str, asked: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["bench", "rtf", bundle, *asked])
    assert result.exit_code == 2
    assert words in result.output


def test_parts_are_those_of_the_median_call_and_auto_takes_what_was_kept() -> None:
    calls = {
        ("torch", 1, 1): [Spent(0.03, 0.02, 0.01), Spent(0.01, 0.008, 0.001), Spent(0.02, 0.015, 0.004)],
        ("onnx", 1, 1): [Spent(0.01, 0.007, 0.001)],
    }
    by_speed, by_keeping = cells_of(calls, 0.5, lambda _: None), cells_of(calls, 0.5, lambda _: "torch")
    assert (by_speed[0].total_ms, by_speed[0].network_ms, by_speed[0].inversion_ms) == (20, 15, 4)
    assert by_speed[0].real_time_factor == pytest.approx(0.04)
    assert by_speed[0].least_ms == pytest.approx(10)
    assert [one.chosen for one in by_speed] == [False, True]
    assert [one.chosen for one in by_keeping] == [True, False]


def test_torch_is_the_reference_unless_onnxruntime_is_clearly_faster() -> None:
    assert runtime.choice(10, 9.9)["runtime"] == "torch"
    assert runtime.choice(10, 9)["runtime"] == "onnx"


def test_auto_measures_once_keeps_it_and_tells(
    bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
    pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    compared = []

    def slower_torch(by_torch: Synthesizer, by_onnx: Synthesizer) -> dict[str, object]:
        compared.append((by_torch.runtime, by_onnx.runtime))
        return runtime.choice(10, 5)

    monkeypatch.setattr(runtime, "compare", slower_torch)
    first, second = runtime.open_instrument(bundle), runtime.open_instrument(bundle)
    assert compared == [("torch", "onnx")]
    assert (first.runtime, second.runtime) == ("onnx", "onnx")
    assert (first.render(seed=1) == second.render(seed=1)).all()
    told = capsys.readouterr().out
    assert "measured now" in told
    assert "measured before" in told
    assert len(list(runtime.cache().glob("*.onnx"))) == 1
    # A damaged copy is made anew.
    (kept,) = runtime.cache().glob("*.onnx")
    whole = kept.read_bytes()
    kept.write_bytes(b"torn")
    monkeypatch.setattr(runtime, "export_onnx", lambda _, path, **rest: path.write_bytes(whole))
    assert runtime.open_instrument(bundle, runtime="onnx").runtime == "onnx"


def test_a_real_comparison_tells_both_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "SECONDS", 0.0)
    one = Synthesizer(tiny_bundle())
    found = runtime.compare(one, one)
    assert found["torch_ms"] > 0
    assert found["onnx_ms"] > 0


def test_without_onnxruntime_auto_plays_by_torch_and_onnx_names_the_remedy(
    bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert runtime.open_instrument(bundle).runtime == "torch"
    assert "onnxruntime is not installed" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"pip install 'darktimbre\[onnx\]'"):
        runtime.open_instrument(bundle, runtime="onnx")
    with pytest.raises(UserError, match="no runtime 'tensorrt'"):
        runtime.open_instrument(bundle, runtime="tensorrt")


def test_synth_plays_by_the_runtime_asked_for_and_writes_it_down(bundle: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
    pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    manifests = {}
    for name in ("torch", "onnx"):
        result = CliRunner().invoke(app, ["synth", "scale", bundle, str(tmp_path / name), "--runtime", name])
        assert result.exit_code == 0, result.output
        manifests[name] = json.loads((tmp_path / name / "manifest.json").read_text())["files"]
    assert [one["file"] for one in manifests["torch"]] == [one["file"] for one in manifests["onnx"]]
    assert all(one["runtime"] == "onnx" for one in manifests["onnx"])
    assert not any("runtime" in one for one in manifests["torch"])
    song = tmp_path / "song.mid"
    notes = mido.MidiTrack([mido.Message("note_on", note=60, velocity=90), mido.Message("note_off", note=60, time=96)])
    mido.MidiFile(tracks=[notes]).save(song)
    result = CliRunner().invoke(app, ["synth", "midi", bundle, str(tmp_path / "m"), str(song), "--runtime", "onnx"])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "m" / "manifest.json").read_text())["files"][0]["runtime"] == "onnx"
