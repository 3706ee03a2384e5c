"""The exported folder plays without darktimbre and torch, and gives the synthesizer's notes."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.bundle.tiny import NAMES, PITCHES, drum_bundle, tiny_bundle

from darktimbre.bundle.bundle import Bundle
from darktimbre.export.player import PlayerReport, export_player
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.controls import latents
from darktimbre.synthesizer.synthesizer import Synthesizer

pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")

# Runs play.py where neither darktimbre nor torch can be imported.
ALONE = """
import runpy, sys
for name in ("darktimbre", "torch", "onnx", "scipy"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def play(folder: Path, *words: object, lines: str = "") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", ALONE, folder / "play.py", *words]
    return subprocess.run([str(word) for word in command], input=lines.encode(), capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def drums(tmp_path_factory: pytest.TempPathFactory) -> tuple[Synthesizer, Path]:
    instrument = Synthesizer(drum_bundle())
    return instrument, export_player(instrument, tmp_path_factory.mktemp("player") / "drums").path


def read(path: Path) -> tuple[int, np.ndarray]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767


def turned_down(sound: np.ndarray) -> np.ndarray:
    return sound / max(1.0, np.abs(sound).max())


def test_the_same_words_pitch_and_seed_give_the_same_notes(
    tiny: Synthesizer, tiny_player: PlayerReport, tmp_path: Path
) -> None:
    done = play(
        tiny_player.path, "trumpet=0.8", "Drum", "--pitch", 61, "--seed", 5, "--count", 3, "--out", tmp_path / "new"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    expected = tiny.render(pitch=[61] * 3, attributes={"Trumpet": 0.8, "Drum": 1.0}, seed=5)
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == [f"trumpet-drum-{place}.wav" for place in range(3)]
    for file, sound in zip(files, expected, strict=True):
        rate, found = read(file)
        assert rate == tiny.sample_rate
        assert np.abs(found - turned_down(sound)).max() < 1e-3 + 1 / 32767


@pytest.mark.parametrize(
    "words",
    [
        ["drums/kick=0.5", "drums/snare=1"],
        ["drums/snare=1", "drums/kick=0.5"],
        ["Drums=0", "drums/kick"],
        ["drums/kick", "DRUMS=0"],
        ["drums=0.3"],
    ],
)
def test_words_mean_what_they_mean_in_darktimbre(drums: tuple[Synthesizer, Path], words: list[str]) -> None:
    instrument, folder = drums
    program = loaded(folder / "play.py")
    alone = program.Instrument(folder / "instrument.onnx")
    levels = program.words_of(words)
    assert np.array_equal(alone.condition(levels, None), instrument.controls.soft(levels)[0])


@pytest.mark.parametrize("pitch", [None, 59, 59.25, 61])
def test_pitches_mean_what_they_mean_in_darktimbre(tiny: Synthesizer, tiny_player: PlayerReport, pitch: float) -> None:
    alone = loaded(tiny_player.path / "play.py").Instrument(tiny_player.path / "instrument.onnx")
    np.testing.assert_allclose(alone.pitch_part(pitch), tiny.controls.pitch_part(pitch)[0], atol=1e-6)


def test_a_subclass_asks_for_its_class_too(drums: tuple[Synthesizer, Path], tmp_path: Path) -> None:
    instrument, folder = drums
    assert play(folder, "drums/kick", "--out", tmp_path).returncode == 0
    _, found = read(tmp_path / "drums-kick-0.wav")
    levels = ({"drums": 1, "drums/kick": 1}, {"drums": 1})
    both, alone = (turned_down(instrument.render(attributes=words)[0]) for words in levels)
    assert np.abs(found - both).max() < 1e-3 * np.abs(both).max() + 1 / 32767
    assert np.abs(found - alone).max() > 0.01 * np.abs(both).max()


def test_latents_are_the_synthesizers_to_the_bit(tiny_player: PlayerReport) -> None:
    program = loaded(tiny_player.path / "play.py")
    found = np.stack([program.latent(9, place, 64) for place in range(4)])
    assert np.array_equal(found, latents(9, 4, 64))


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("play_alone", path)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def test_lines_become_sounds_and_invalid_lines_errors(drums: tuple[Synthesizer, Path]) -> None:
    instrument, folder = drums
    done = play(folder, "--pipe", lines="drums/kick\ndrums/kik\ndrums; drums/snare=0.5\n")
    assert done.returncode == 0
    assert len(done.stdout) == 2 * 2 * instrument.samples  # 16 bits each
    assert b"has no 'drums/kik'; it has drums/kick" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["Trumpt"], "has no 'Trumpt'; it has Trumpet"),
        (["Trumpet=2"], "between 0 and 1"),
        (["Trumpet=loud"], "neither a name nor NAME=NUMBER"),
        (["Drum", "--pitch", "90"], f"plays MIDI {PITCHES[0]} to {PITCHES[-1]}, not 90"),
        (["Drum", "--seed", "-1"], "from 0 up"),
        (["--bench", "--core", "9999"], "no core 9999"),
        (["--bench", "--core", "-1"], "no core -1"),
        (["--bench", "--core", "99999999999"], "no core 99999999999"),
        (["Drum", "--pitch", "nan"], "not nan"),
        (["Drum", "--count", "0"], "--count is a whole number from 1 up"),
        (["Drum", "--bench"], "Words are for sounds in files"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_sentence(
    tiny_player: PlayerReport, tmp_path: Path, words: list[str], sentence: str
) -> None:
    done = play(tiny_player.path, *words, "--out", tmp_path / "none")
    assert done.returncode == 1
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert not list(tmp_path.rglob("*.wav"))


def test_a_file_in_the_way_and_a_folder_half_copied_are_reported(tiny_player: PlayerReport, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = play(tiny_player.path, "Drum", "--out", tmp_path / "taken")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    shutil.copy(tiny_player.path / "play.py", tmp_path)
    done = play(tmp_path)
    assert done.returncode == 1
    assert b"instrument.onnx is missing beside play.py" in done.stderr


def test_a_closed_pipe_ends_it_quietly(drums: tuple[Synthesizer, Path]) -> None:
    command = [sys.executable, "-c", ALONE, str(drums[1] / "play.py"), "--pipe"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        running.stdin.write(b"drums/kick\n" * 3)
        running.stdin.close()
        assert running.wait(timeout=120) == 0
        assert running.stderr.read() == b""


def test_without_words_there_is_still_a_sound_and_a_figure(tmp_path: Path) -> None:
    made = tiny_bundle(pitched=False)
    attributes = {**made.config["attributes"], "names": []}
    network = {**made.config["network"], "condition": 0, "heads": {}}
    bundle = Bundle({**made.config, "attributes": attributes, "network": network}, made.weights)
    grid = "grid.weight"
    latent = made.config["network"]["latent"]
    bundle = Bundle(bundle.config, {**made.weights, grid: made.weights[grid][:, -latent:]})
    folder = export_player(Synthesizer(bundle), tmp_path / "out").path
    assert play(folder, "--count", 1, "--out", tmp_path).returncode == 0
    assert (tmp_path / "sound-0.wav").is_file()
    assert json.loads(play(folder, "--bench").stdout)["note_ms"] > 0
    assert b"takes no words" in play(folder, "Drum").stderr


def test_it_lists_what_it_plays_and_measures_itself(tiny_player: PlayerReport) -> None:
    folder = tiny_player.path
    listed = play(folder).stdout.decode()
    assert all(name in listed for name in NAMES)
    core = min(os.sched_getaffinity(0))
    figures = json.loads(play(folder, "--bench", "--core", core).stdout)
    assert figures["file_bytes"] == (folder / "instrument.onnx").stat().st_size
    assert 0 < figures["note_ms"] <= figures["worst_note_ms"]
    of_a_quarter_second = figures["note_ms"] / 250  # rounded to 0.01 ms, the factor to 5 places
    assert figures["real_time_factor"] == pytest.approx(of_a_quarter_second, abs=0.005 / 250 + 0.5e-5)
    assert figures["interpreter_mb"] < figures["resident_mb"] <= figures["peak_mb"]


def test_the_folder_is_an_export_that_can_be_replaced(
    tiny: Synthesizer, tiny_player: PlayerReport, tmp_path: Path
) -> None:
    smaller = export_player(tiny, shutil.copytree(tiny_player.path, tmp_path / "tiny"), precision="int8")
    assert smaller.bytes < tiny_player.bytes
    assert smaller.network.path.is_file()
    figures = json.loads((smaller.path / "manifest.json").read_text())
    assert (figures["precision"], figures["format"]) == ("int8", "player")
    assert tiny.bundle.digest[:12] in (smaller.path / "README.md").read_text()


def test_without_painted_phases_it_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="oneshot-classes-if"):
        export_player(Synthesizer(tiny_bundle(kind="logmag", pitch_comb=False)), tmp_path / "out")
    assert not list(tmp_path.iterdir())
