"""`bench rtf`: what is measured, printed and written; and the runtime that `synth` is given."""

import json
from pathlib import Path

import mido
import pytest
from tests.bundle.tiny import tiny_autoencoder, tiny_bundle
from tests.conftest import Run

from darktimbre.cli.bench import cells_of
from darktimbre.synthesizer.timing import Spent


def test_the_table_and_its_file(onnx_bundle: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "rtf.json"
    options = ["--threads", "1", "--batch", "1,2", "--runtime", "torch", "--rounds", "2", "--json", out]
    printed = run("bench", "rtf", onnx_bundle, *options)
    assert "0.25 s" in printed
    assert "torch ●" in printed
    figures = json.loads(out.read_text())
    assert figures["bundle"] == tiny_bundle().digest
    assert [(one["runtime"], one["threads"], one["batch"]) for one in figures["cells"]] == [
        ("torch", 1, 1),
        ("torch", 1, 2),
    ]
    for one in figures["cells"]:
        assert 0 < one["network_ms"] + one["inversion_ms"] <= one["total_ms"]
        assert one["real_time_factor"] == pytest.approx(one["total_ms"] / 250)
        assert one["notes_per_second"] == pytest.approx(1000 / one["total_ms"])
    assert [one["chosen"] for one in figures["cells"]] == [True, False]


def test_of_an_instrument_that_encodes_the_whole_way_is_reported(run: Run, tmp_path: Path) -> None:
    coder, out = tiny_autoencoder().save_pretrained(tmp_path / "coder"), tmp_path / "rtf.json"
    options = ["--threads", "1", "--batch", "1", "--runtime", "torch", "--rounds", "2", "--json", out]
    printed = run("bench", "rtf", coder, *options)
    (cell,) = json.loads(out.read_text())["cells"]
    assert cell["encoding_ms"] > 0
    whole = cell["encoding_ms"] + cell["total_ms"]
    assert f"encode → decode → wave takes {whole:.1f} ms by torch on 1 thread." in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--threads", "0"], "--threads"),
        (["--batch", "two"], "--batch"),
        (["--runtime", "tvm"], "--runtime takes"),
        (["--runtime", "torch", "--keep"], "--keep chooses"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    onnx_bundle: str, run: Run, options: list[str], words: str
) -> None:
    assert words in run("bench", "rtf", onnx_bundle, *options, status=2)


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


def test_synth_plays_by_the_runtime_given_and_writes_it_down(onnx_bundle: str, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
    pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    manifests = {}
    for name in ("torch", "onnx"):
        run("synth", "scale", onnx_bundle, tmp_path / name, "--runtime", name)
        manifests[name] = json.loads((tmp_path / name / "manifest.json").read_text())["files"]
    assert [one["file"] for one in manifests["torch"]] == [one["file"] for one in manifests["onnx"]]
    assert all(one["runtime"] == "onnx" for one in manifests["onnx"])
    assert not any("runtime" in one for one in manifests["torch"])
    song = tmp_path / "song.mid"
    notes = mido.MidiTrack([mido.Message("note_on", note=60, velocity=90), mido.Message("note_off", note=60, time=96)])
    mido.MidiFile(tracks=[notes]).save(song)
    run("synth", "midi", onnx_bundle, tmp_path / "m", song, "--runtime", "onnx")
    assert json.loads((tmp_path / "m" / "manifest.json").read_text())["files"][0]["runtime"] == "onnx"
