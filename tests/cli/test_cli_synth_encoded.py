"""`synth like` and `synth interpolate` of an instrument that encodes: what is kept, changed and refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.bundle.tiny import tiny_autoencoder
from tests.conftest import Run

from darktimbre.audio.files import write
from darktimbre.synthesizer import transfer
from darktimbre.synthesizer.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_autoencoder(inverter=True).save_pretrained(tmp_path_factory.mktemp("bundles") / "coder")


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return _tone(tmp_path / "tone.wav", 261.63, 0.1)


def _tone(path: Path, hertz: float, level: float, seconds: float = 0.5) -> Path:
    at = np.arange(round(16000 * seconds)) / 16000
    write(path, level * np.sin(2 * np.pi * hertz * at) * np.exp(-at), 16000)
    return path


def _manifest(out: Path) -> dict[str, dict[str, Any]]:
    return {entry["file"]: entry for entry in json.loads((out / "manifest.json").read_text())["files"]}


def _wav(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def test_like_keeps_code_and_level_and_changes_style_and_pitch(
    coder: Path, run: Run, tone: Path, tmp_path: Path
) -> None:
    output = run("synth", "like", coder, tmp_path / "out", tone)
    assert "Pitch: MIDI 60.0" in output
    run("synth", "like", coder, tmp_path / "out", tone, "--pitch", "59.5", "--set", "tremolo=0.5")
    entries = _manifest(tmp_path / "out")
    assert list(entries) == ["like_tone_00_59.50.wav", "like_tone_00_60_C4.wav"]
    instrument = Synthesizer.from_pretrained(coder)
    code = transfer.encode_sound(tone, instrument)
    assert code.level_db == pytest.approx(-20, abs=0.2)
    for name, pitch, levels in zip(entries, (59.5, 60), ({"tremolo": 0.5}, {}), strict=True):
        assert entries[name]["latent"] == pytest.approx(code.latent.tolist(), abs=1e-5)
        wave = instrument.render(pitch, levels, latent=code.latent, level_db=code.level_db)[0]
        np.testing.assert_allclose(_wav(tmp_path / "out" / name), wave * entries[name]["gain"], atol=1e-3)


def test_variations_lie_beside_the_sound_and_repeat_with_their_seed(
    coder: Path, run: Run, tone: Path, tmp_path: Path
) -> None:
    for out, more in (("a", ()), ("b", ()), ("c", ("--seed", 1)), ("d", ("--spread", 0))):
        run("synth", "like", coder, tmp_path / out, tone, "--variations", 3, *more)
    a, b, c, d = (
        np.array([entry["latent"] for entry in _manifest(tmp_path / out).values()]) for out in ("a", "b", "c", "d")
    )
    assert a.shape == (4, 3)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a[0], c[0])
    assert np.abs(a[1:] - c[1:]).min(axis=0).max() > 0
    np.testing.assert_array_equal(d, np.tile(a[0], (4, 1)))
    distance = np.linalg.norm(a - a[0], axis=1)
    assert (distance[1:] > 0).all()
    assert (distance < 2).all()


def test_interpolation_goes_from_sound_to_sound(coder: Path, run: Run, tone: Path, tmp_path: Path) -> None:
    other = _tone(tmp_path / "other.wav", 277.18, 0.4)  # C#4
    ends = ("--from-sound", tone, "--to-sound", other, "--from", "plucked=1", "--to", "violins=1")
    run("synth", "interpolate", coder, tmp_path / "out", *ends, "--steps", 3, "--linear")
    entries = list(_manifest(tmp_path / "out").values())
    codes = [transfer.encode_sound(path, Synthesizer.from_pretrained(coder)) for path in (tone, other)]
    assert [entry["pitch"] for entry in entries] == [60, 60.5, 61]
    assert [entry["attributes"]["plucked"] for entry in entries] == [1, 0.5, 0]
    assert [entry["attributes"]["violins"] for entry in entries] == [0, 0.5, 1]
    latent = np.array([entry["latent"] for entry in entries])
    np.testing.assert_allclose(latent[[0, 2]], [code.latent for code in codes], atol=1e-5)
    np.testing.assert_allclose(latent[1], latent[[0, 2]].mean(axis=0), atol=1e-5)
    levels = [entry["level_db"] for entry in entries]
    assert levels[1] == pytest.approx((codes[0].level_db + codes[1].level_db) / 2, abs=1e-3)
    assert {(entry["from_sound"], entry["to_sound"]) for entry in entries} == {("tone.wav", "other.wav")}
    assert "from_seed" not in entries[0]


def test_one_end_may_be_a_seed_at_the_level_of_training(coder: Path, run: Run, tone: Path, tmp_path: Path) -> None:
    run("synth", "interpolate", coder, tmp_path / "out", "--to-sound", tone, "--from-seed", 5, "--steps", 2)
    first, last = _manifest(tmp_path / "out").values()
    instrument = Synthesizer.from_pretrained(coder)
    np.testing.assert_allclose(first["latent"], instrument.latents([5])[0], atol=1e-5)
    assert (first["level_db"], first["from_seed"]) == (-1.0, 5)
    assert last["level_db"] == pytest.approx(-20, abs=0.2)


def test_sounds_are_played_as_they_are_made_where_training_knew_no_one_level(
    run: Run, tone: Path, tmp_path: Path
) -> None:
    coder = tiny_autoencoder(level={"peak_db": None}).save_pretrained(tmp_path / "coder")
    run("synth", "like", coder, tmp_path / "out", tone)
    run("synth", "interpolate", coder, tmp_path / "out", "--from-sound", tone, "--to-sound", tone, "--steps", 2)
    entries = _manifest(tmp_path / "out").values()
    assert {"level_db" in entry for entry in entries} == {False}
    assert {tuple(entry["latent"]) for entry in entries} == {tuple(next(iter(entries))["latent"])}


def test_a_sound_longer_than_a_note_is_cut_and_that_is_reported(coder: Path, run: Run, tmp_path: Path) -> None:
    long = _tone(tmp_path / "long.wav", 261.63, 0.3, seconds=1.25)
    output = run("synth", "like", coder, tmp_path / "out", long)
    assert "lasts 1.25 s, a note 0.5 s: its beginning is used; cut the file to choose another part." in output


@pytest.mark.parametrize(
    ("sound", "more", "sentence"),
    [
        ("noise", (), "No pitch was found in this sound: give one, such as --pitch C4."),
        ("silence", ("--pitch", "60"), "silence.wav is silent in its first"),
        ("text", (), "text.wav cannot be read as sound"),
        ("tone", ("--count", 2), "leave out --count, --teacher and --weights"),
        ("tone", ("--teacher", "embedded"), "encodes the sound itself"),
        ("tone", ("--set", "tremollo=1"), "no attribute 'tremollo'. Did you mean 'tremolo'?"),
    ],
)
def test_refusals_write_nothing(
    coder: Path, run: Run, tone: Path, tmp_path: Path, sound: str, more: tuple[object, ...], sentence: str
) -> None:
    write(tmp_path / "noise.wav", 0.3 * np.random.default_rng(0).standard_normal(8000).clip(-3, 3), 16000)
    write(tmp_path / "silence.wav", np.zeros(8000, np.float32), 16000)
    (tmp_path / "text.wav").write_text("no sound")
    refused = run("synth", "like", coder, tmp_path / "out", tmp_path / f"{sound}.wav", *more, status=2)
    assert sentence in refused
    assert not (tmp_path / "out").exists()


def test_instruments_without_an_encoder_say_so(bundle: Path, run: Run, tone: Path, tmp_path: Path) -> None:
    bare = tiny_autoencoder(encoder=False).save_pretrained(tmp_path / "bare")
    for words, sentence in (
        (("like", bundle, tmp_path / "out", tone, "--variations", 2), "has no encoder, so no notes lie beside a sound"),
        (("like", bare, tmp_path / "out", tone), "neither an encoder nor a teacher"),
        (("interpolate", bundle, tmp_path / "out", "--from-sound", tone), "has no encoder, so sounds cannot be placed"),
    ):
        assert sentence in run("synth", *words, status=2)
    assert not (tmp_path / "out").exists()


def test_the_inversion_of_the_bundle_can_be_exchanged(coder: Path, run: Run, tmp_path: Path) -> None:
    bundle = tiny_autoencoder(inverter=True)
    for name in ("learned", "phase-gradient"):
        run("synth", "scale", coder, tmp_path / name, "--from", 60, "--to", 60, "--inversion", name)
        wave = Synthesizer(bundle.inverted_by(name)).render(60, seed=[0])[0]
        (entry,) = _manifest(tmp_path / name).values()
        np.testing.assert_allclose(_wav(tmp_path / name / "scale_60_C4.wav"), wave * entry["gain"], atol=1e-3)
    assert "no inversion 'fast'; choose one of" in run(
        "synth", "scale", coder, tmp_path / "none", "--inversion", "fast", status=2
    )
