"""Each verb of `synth` writes what its names and manifest say, through the synthesizer and nothing else."""

import json
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile
import torch
from tests.bundle.tiny import DIGEST, NAMES, tiny_bundle
from tests.conftest import Run
from typer.testing import CliRunner

from darktimbre import teachers
from darktimbre.audio.atomic import alone
from darktimbre.audio.files import write
from darktimbre.cli.main import app
from darktimbre.synthesizer.sound_files import file_stem
from darktimbre.synthesizer.synthesizer import Synthesizer


@pytest.fixture
def synth(run: Run) -> Run:
    return lambda *words, **more: run("synth", *words, **more)


def _manifest(out: Path) -> dict[str, dict[str, Any]]:
    return {entry["file"]: entry for entry in json.loads((out / "manifest.json").read_text())["files"]}


def _song(folder: Path, name: str = "My Song.mid") -> Path:
    """A MIDI file of one note."""
    folder.mkdir(exist_ok=True)
    notes = [mido.Message("note_on", note=60, velocity=90), mido.Message("note_off", note=60, time=240)]
    mido.MidiFile(tracks=[mido.MidiTrack(notes)]).save(folder / name)
    return folder / name


def _wav(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32")
    assert (rate, soundfile.info(path).subtype) == (8000, "PCM_16")
    return samples


def test_a_description_is_shown_then_rendered(bundle: Path, synth: Run, tmp_path: Path) -> None:
    """Its mix is printed, --set goes before it, and what means nothing renders nothing."""
    shown = synth("words", bundle, "a drum")
    assert "“a drum”" in shown
    assert "Drum 1.00" in shown
    said = synth(
        "scale", bundle, tmp_path / "a", "--from", "60", "--to", "60", "--say", "a drum", "--set", "trumpet=0.3"
    )
    assert said.startswith(shown.strip()[:12])
    (entry,) = _manifest(tmp_path / "a").values()
    assert (entry["attributes"]["Drum"], entry["attributes"]["Trumpet"]) == (1.0, 0.3)
    wrong = synth("random", bundle, tmp_path / "b", "--say", "no drum", status=2)
    assert "is not understood" in wrong
    assert not (tmp_path / "b").exists()


def test_a_scale_is_what_render_gives(bundle: Path, synth: Run, tmp_path: Path) -> None:
    synth("scale", bundle, tmp_path, "--from", "B3", "--to", "60", "--step", "0.5", "--set", "drum=0.8", "--seed", "5")
    entries = _manifest(tmp_path)
    assert list(entries) == ["scale_59.50.wav", "scale_59_B3.wav", "scale_60_C4.wav"]
    waves = Synthesizer.from_pretrained(bundle).render([59, 59.5, 60], {"Drum": 0.8}, [5, 5, 5])
    for name, wave in zip(("scale_59_B3.wav", "scale_59.50.wav", "scale_60_C4.wav"), waves, strict=True):
        np.testing.assert_allclose(_wav(tmp_path / name), wave * entries[name]["gain"], atol=1e-4)
    assert entries["scale_60_C4.wav"] | {"gain": 0} == {
        "file": "scale_60_C4.wav", "verb": "scale", "pitch": 60.0, "attributes": {"drum": 0.8}, "seed": 5, "gain": 0,
        "instrument": bundle.name, "weights_sha256": Synthesizer.from_pretrained(bundle).bundle.digest,
        "sample_rate": 8000,
    }  # fmt: skip
    assert max(np.abs(_wav(tmp_path / name)).max() for name in entries) == pytest.approx(0.99, abs=1e-3)


def test_random_notes_with_a_picture_the_same_for_the_same_seed(bundle: Path, synth: Run, tmp_path: Path) -> None:
    for out in ("a", "b"):
        synth("random", bundle, tmp_path / out, "--count", 3, "--seed", 9, "--picture", tmp_path / out / "p.png")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert [entry["seed"] for entry in _manifest(tmp_path / "a").values()] == [9, 10, 11]
    synth("random", bundle, tmp_path / "c", "--count", 3, "--seed", 9, "--pitch", "C4")
    assert {entry["pitch"] for entry in _manifest(tmp_path / "c").values()} == {60.0}


def test_random_notes_take_the_bundles_examples(synth: Run, tmp_path: Path) -> None:
    path = tiny_bundle(examples=[[0.1, 0.2, 0.3], [0.6, 0.5, 0.4]]).save_pretrained(tmp_path / "bundle")
    synth("random", path, tmp_path / "out", "--count", 6, "--set", "trumpet=0.9")
    levels = [tuple(entry["attributes"][name] for name in NAMES) for entry in _manifest(tmp_path / "out").values()]
    assert set(levels) == {(0.1, 0.9, 0.3), (0.6, 0.9, 0.4)}


@pytest.mark.parametrize(
    "content",
    ['{"name": "A web app"}', '{"files": [], "darktimbre": "export", "weights_sha256": ""}', "[]", "{", "[" * 100_000],
)
def test_a_manifest_of_another_program_is_left_alone(bundle: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    for words in (["random", str(bundle), str(tmp_path)], ["midi", str(bundle), str(tmp_path), str(_song(tmp_path))]):
        ended = CliRunner().invoke(app, ["synth", *words])
        assert ended.exit_code == 2
        assert "manifest.json is there and was not written by `darktimbre synth`" in ended.stderr.replace("\n", " ")
    assert (tmp_path / "manifest.json").read_text() == content
    assert not list(tmp_path.glob("*.wav"))


def test_files_that_others_put_there_are_never_replaced(bundle: Path, synth: Run, tmp_path: Path) -> None:
    """Also where they differ in letter case alone, which on some disks is the same name."""
    (tmp_path / "Random_000_60_c4.WAV").write_bytes(b"mine")
    (tmp_path / "mine.png").write_bytes(b"mine")
    words = ("random", bundle, tmp_path, "--count", 1, "--pitch", 60)
    for _ in range(2):  # a file of one's own is replaced
        synth(*words, "--picture", tmp_path / "grid.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Random_000_60_c4.WAV", "grid.png", "manifest.json", "mine.png", "random_000_60_C4-2.wav",
    ]  # fmt: skip
    ended = CliRunner().invoke(app, ["synth", *map(str, words), "--picture", str(tmp_path / "mine.png")])
    assert (ended.exit_code, (tmp_path / "mine.png").read_bytes()) == (2, b"mine")


def test_two_instruments_in_one_folder_keep_their_sounds_and_say_whose_they_are(synth: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bundles = [tiny_bundle(pitch_comb=comb).save_pretrained(tmp_path / f"b{comb:d}") for comb in (False, True)]
    for path in (*bundles, bundles[0]):
        synth("random", path, out, "--count", 1, "--pitch", 60)
    entries = _manifest(out)
    assert {name: entry["instrument"] for name, entry in entries.items()} == {
        "random_000_60_C4.wav": "b0", "random_000_60_C4-2.wav": "b1",
    }  # fmt: skip
    for name, path in zip(entries, reversed(bundles), strict=True):
        instrument = Synthesizer.from_pretrained(path)
        assert entries[name]["weights_sha256"] == instrument.bundle.digest
        wave = instrument.render(60, entries[name]["attributes"], entries[name]["seed"])[0]
        np.testing.assert_allclose(_wav(out / name), wave * entries[name]["gain"], atol=1e-4)


def test_an_earlier_versions_manifest_is_gone_on_with(bundle: Path, synth: Run, tmp_path: Path) -> None:
    (tmp_path / "old.wav").touch()
    old = {"instrument": "x", "weights_sha256": "0" * 64, "sample_rate": 8000, "files": [{"file": "old.wav"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    synth("random", bundle, tmp_path, "--count", 1)
    assert _manifest(tmp_path)["old.wav"] == {
        "instrument": "x", "weights_sha256": "0" * 64, "sample_rate": 8000, "file": "old.wav",
    }  # fmt: skip


def test_sounds_of_files_with_names_alike_are_told_apart(bundle: Path, synth: Run, tmp_path: Path) -> None:
    songs = [_song(tmp_path / "a", "My Song.mid"), _song(tmp_path / "a", "my-song.mid"), _song(tmp_path / "b")]
    for song in (*songs, songs[0]):
        synth("midi", bundle, tmp_path / "out", song)
    found = {name: entry["midi"] for name, entry in _manifest(tmp_path / "out").items()}
    assert found == {
        "midi_my-song.wav": "My Song.mid", "midi_my-song-2.wav": "my-song.mid", "midi_my-song-3.wav": "My Song.mid",
    }  # fmt: skip


def test_of_two_writers_into_one_folder_one_refuses(bundle: Path, tmp_path: Path) -> None:
    with alone(tmp_path, "x"):
        ended = CliRunner().invoke(app, ["synth", "random", str(bundle), str(tmp_path), "--count", "1"])
    assert ended.exit_code == 2
    assert "Another process is writing sounds" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_sweep_changes_one_attribute(bundle: Path, synth: Run, tmp_path: Path) -> None:
    synth("sweep", bundle, tmp_path, "--attribute", "singing BOWL", "--steps", 3, "--set", "Drum=0.2")
    entries = _manifest(tmp_path)
    assert list(entries) == [f"sweep_singing-bowl_{value}_60_C4.wav" for value in ("0.00", "0.50", "1.00")]
    levels = [entry["attributes"] for entry in entries.values()]
    assert levels == [{"Drum": 0.2, "Singing bowl": value} for value in (0, 0.5, 1)]


def test_a_sweep_beyond_the_range_warns_in_one_line(bundle: Path, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["synth", "sweep", str(bundle), str(tmp_path), "--attribute", "drum", "--to", "2"])
    assert ended.exit_code == 0
    assert ended.stderr == "Drum = 2: outside 0 to 1, where the instrument was not trained.\n"


@pytest.mark.parametrize("way", ["--spherical", "--linear"])
def test_an_interpolation_starts_and_ends_with_its_notes(bundle: Path, synth: Run, tmp_path: Path, way: str) -> None:
    first = ("--from-seed", 2, "--from", "Drum=1", "--from-pitch", 59)
    last = ("--to-seed", 7, "--to", "Trumpet=1", "--to-pitch", 61)
    synth("interpolate", bundle, tmp_path, *first, *last, "--steps", 5, way)
    entries = _manifest(tmp_path)
    assert [entry["pitch"] for entry in entries.values()] == [59, 59.5, 60, 60.5, 61]
    assert [entry["attributes"]["Drum"] for entry in entries.values()] == [1, 0.75, 0.5, 0.25, 0]
    waves = Synthesizer.from_pretrained(bundle).render([59, 61], [{"Drum": 1}, {"Trumpet": 1}], [2, 7])
    for name, wave in zip((min(entries), max(entries)), waves, strict=True):
        np.testing.assert_allclose(_wav(tmp_path / name), wave * entries[name]["gain"], atol=1e-3)


def test_a_midi_file_becomes_one_wav(bundle: Path, synth: Run, tmp_path: Path) -> None:
    file = mido.MidiFile()
    notes = [("note_on", 60, 0), ("note_off", 60, 240), ("note_on", 72, 0), ("note_off", 72, 240)]
    file.tracks.append(mido.MidiTrack(mido.Message(kind, note=note, velocity=90, time=t) for kind, note, t in notes))
    file.tracks[0].insert(0, mido.Message("program_change", program=3))
    file.save(tmp_path / "My tune.mid")
    output = synth("midi", bundle, tmp_path / "out", tmp_path / "My tune.mid", "--release", "0.05")
    assert "2 notes" in output
    assert "Skipped: 1 program changes." in output
    (entry,) = _manifest(tmp_path / "out").values()
    assert (entry["file"], entry["notes"], entry["repitched"]) == ("midi_my-tune.wav", 2, 1)
    wave = _wav(tmp_path / "out" / "midi_my-tune.wav")
    assert len(wave) == pytest.approx(0.55 * 8000, abs=2)
    assert 0 < np.abs(wave).max() <= 0.991


class FixedTagger:
    """A teacher that predicts fixed logits."""

    name, sample_rate, digest = "fake", 16000, DIGEST
    labels = ("Noise", "Drum", "Singing bowl", "Trumpet")

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        self.waves = waves
        return torch.tensor([[9.0, -2.0, 2.0, 0.0]]).expand(len(waves), -1)


@pytest.fixture
def tagger(monkeypatch: pytest.MonkeyPatch) -> FixedTagger:
    tagger = FixedTagger()
    monkeypatch.setattr(teachers, "load", lambda name, device, weights: tagger)
    return tagger


@pytest.fixture
def whistle(tmp_path: Path) -> Path:
    at = np.arange(44100) / 44100
    write(tmp_path / "whistle.wav", 0.5 * np.sin(2 * np.pi * 523.25 * at), 44100)  # C5: an octave above the instrument
    return tmp_path / "whistle.wav"


def test_like_takes_tags_at_the_instruments_temperature_and_pitch(
    bundle: Path, synth: Run, tagger: FixedTagger, whistle: Path, tmp_path: Path
) -> None:
    output = synth("like", bundle, tmp_path / "out", whistle, "--count", 2)
    assert tuple(tagger.waves.shape) == (1, 4000)  # the instrument's quarter of a second at the teacher's rate
    entries = _manifest(tmp_path / "out")
    assert list(entries) == ["like_whistle_00_60_C4.wav", "like_whistle_01_60_C4.wav"]
    sigmoid = {"Singing bowl": 1 / (1 + np.exp(-1)), "Trumpet": 0.5, "Drum": 1 / (1 + np.exp(1))}  # logit / T, T = 2
    for entry in entries.values():
        assert entry["attributes"] == pytest.approx(sigmoid, abs=1e-5)
    assert "Singing bowl 0.73, Trumpet 0.50" in output
    assert "played at 60" in output


def test_like_refuses_another_teacher_unless_it_is_named_and_then_warns(
    bundle: Path, synth: Run, tagger: FixedTagger, whistle: Path, tmp_path: Path
) -> None:
    command = ("like", bundle, tmp_path / "out", whistle)
    tagger.digest = "ff" * 32
    refused = synth(*command, status=2)
    assert "their labels cannot be compared" in refused
    assert "--teacher fake" in refused
    output = synth(*command, "--teacher", "fake", "--count", 1)
    assert "cannot be compared exactly" in output
    assert "Singing bowl 0.73" in output
    tagger.digest, tagger.labels = DIGEST, ("Noise", "Drum", "Singing bowl", "Flute")
    for more in ((), ("--teacher", "fake")):
        assert "has no label 'Trumpet'" in synth(*command, *more, status=2)


def test_like_names_the_file_it_cannot_read(bundle: Path, synth: Run, tagger: FixedTagger, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("text.wav", "gone.wav"):
        assert f"{name} cannot be read as sound" in synth("like", bundle, tmp_path / "out", tmp_path / name, status=2)


def test_like_wants_a_pitch_where_none_is_found(bundle: Path, synth: Run, tagger: FixedTagger, tmp_path: Path) -> None:
    write(tmp_path / "noise.wav", 0.3 * np.random.default_rng(0).standard_normal(16000).clip(-3, 3), 16000)
    assert "--pitch C4" in synth("like", bundle, tmp_path / "out", tmp_path / "noise.wav", status=2)
    synth("like", bundle, tmp_path / "out", tmp_path / "noise.wav", "--pitch", "59.5", "--count", 1)
    assert list(_manifest(tmp_path / "out")) == ["like_noise_00_59.50.wav"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "Drum"), "is not NAME=VALUE"),
        (("--set", "=1"), "is not NAME=VALUE"),
        (("--set", "drumm=1"), "Did you mean 'Drum'"),
        (("--from", "X4"), "is no pitch"),
        (("--from", "10"), "plays MIDI 59 to 61"),
        (("--from", "61", "--to", "59"), "A scale goes up"),
        (("--device", "moon"), "cannot be used here"),
    ],
)
def test_mistakes_are_sentences(
    bundle: Path, synth: Run, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in synth("scale", bundle, tmp_path / "out", *arguments, status=2)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to(bundle: Path, synth: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    assert "cannot be written to" in synth("scale", bundle, tmp_path / "file" / "out", status=2)


def test_the_manifest_keeps_earlier_files_that_are_still_there(bundle: Path, synth: Run, tmp_path: Path) -> None:
    synth("scale", bundle, tmp_path)
    (tmp_path / "scale_59_B3.wav").unlink()
    synth("sweep", bundle, tmp_path, "--attribute", "drum", "--steps", 2)
    assert [entry["verb"] for entry in _manifest(tmp_path).values()] == ["scale", "scale", "sweep", "sweep"]


def test_file_names_are_plain() -> None:
    stem = file_stem("sweep", "Bass (instrument role), deep/low", 0.5, "C#4")
    assert stem == "sweep_bass-instrument-role-deep-low_0.50_C#4"
    assert file_stem("like", "Ünder..") == "like_ünder.."


def test_pictures_without_phase_sound_by_the_inversion_given(bundle: Path, synth: Run, tmp_path: Path) -> None:
    magnitudes = tiny_bundle(kind="logmag", pitch_comb=False).save_pretrained(tmp_path / "logmag")
    words = ("scale", magnitudes, tmp_path / "out", "--from", 60, "--to", 60)
    sounds = {}
    for inversion in ("", "griffin-lim", "phase-gradient"):
        synth(*words, *(("--inversion", inversion) if inversion else ()))
        sounds[inversion] = _wav(tmp_path / "out" / "scale_60_C4.wav")
    assert np.array_equal(sounds[""], sounds["griffin-lim"])  # what the bundle has
    there = Synthesizer(tiny_bundle(kind="logmag", pitch_comb=False).inverted_by("phase-gradient")).render(60)[0]
    np.testing.assert_allclose(sounds["phase-gradient"], there * 0.99 / np.abs(there).max(), atol=1e-3)
    assert not np.allclose(sounds["phase-gradient"], sounds["griffin-lim"], atol=1e-2)
    assert "choose one of griffin-lim" in synth(*words, "--inversion", "fastest", status=2)
    refused = synth("scale", bundle, tmp_path / "none", "--inversion", "phase-gradient", status=2)
    assert "generates its phases itself" in refused
    assert not (tmp_path / "none").exists()
