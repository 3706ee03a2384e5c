"""The built-in orchestra: in tune, varied, never too loud, and the same on every run."""

from pathlib import Path

import numpy as np
import pytest

from darktimbre.audio.pitch import yin
from darktimbre.corpus.builtin import ORCHESTRA, play, render_builtin
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import FAMILIES
from darktimbre.notes.pitch import midi_to_hz

RATE = 16_000
# Bells and bars have partials that are no multiples of the struck tone, so a period finder may find another pitch.
INHARMONIC = {"fm bell", "glockenspiel", "singing bowl", "marimba", "toy piano"}


def test_the_pitched_instruments_are_in_tune() -> None:
    pitched = [one for one in ORCHESTRA if one.family and one.name not in INHARMONIC]
    keys = [(one, pitch) for one in pitched for pitch in (44, 57, 69)]
    waves = np.stack([play(one, pitch, 100, RATE, RATE) for one, pitch in keys])
    found, _ = yin(waves, RATE, 60.0, 1000.0)
    cents = 1200 * np.log2(found / np.array([midi_to_hz(pitch) for _, pitch in keys]))
    off = {
        f"{one.name} {pitch}": round(float(c), 1)
        for (one, pitch), c in zip(keys, cents, strict=True)
        if not abs(c) < 20
    }
    assert off == {}


def test_every_instrument_is_sound_and_fades_out() -> None:
    for one in ORCHESTRA:
        for pitch, velocity in ((21, 127), (60, 20), (108, 127)):
            wave = play(one, pitch, velocity, 4000, RATE)
            assert wave.shape == (4000,)
            assert np.isfinite(wave).all()
            assert np.abs(wave).max() == pytest.approx(0.8 * (velocity / 127) ** 1.3, rel=1e-3, abs=0.02), one.name
            assert abs(wave[-1]) < 1e-4


def test_louder_is_brighter_where_it_should_be() -> None:
    def centroid(name: str, velocity: int) -> float:
        one = next(one for one in ORCHESTRA if one.name == name)
        power = np.abs(np.fft.rfft(play(one, 57, velocity, RATE, RATE))) ** 2
        return float((np.arange(len(power)) * power).sum() / power.sum())

    for name in ("upright piano", "trumpet", "electric piano", "steel guitar"):
        assert centroid(name, 120) > 1.1 * centroid(name, 30), name


def test_no_two_instruments_sound_alike() -> None:
    waves = np.stack([play(one, 57, 100, RATE // 2, RATE) for one in ORCHESTRA])
    frames = waves.reshape(len(ORCHESTRA), 8, -1)
    level = np.log(1e-3 + np.abs(np.fft.rfft(frames * np.hanning(frames.shape[-1])))).reshape(len(ORCHESTRA), -1)
    alike = np.corrcoef(level) - np.eye(len(ORCHESTRA))
    first, second = np.unravel_index(alike.argmax(), alike.shape)
    assert alike.max() < 0.97, (ORCHESTRA[first].name, ORCHESTRA[second].name)


def test_the_corpus_is_the_same_on_every_run_and_says_what_is_in_it(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    made = [
        render_builtin(tmp_path / name, limit=56, seconds=0.1, progress=lambda done, total: steps.append((done, total)))
        for name in "ab"
    ]
    corpus = made[0]
    assert made[1].digest == corpus.digest
    assert len(corpus) == 56
    assert steps == [(done, 56) for done in range(1, 57)] * 2
    assert set(corpus.column("family").tolist()) - {""} == set(FAMILIES)
    drums = corpus.column("category") == "drums"
    assert (corpus.column("pitch")[drums] == -1).all()
    assert (corpus.column("pitch")[~drums] >= 44).all()
    assert len(set(corpus.column("instrument").tolist())) == len(ORCHESTRA)
    assert min(len(corpus.rows(split)) for split in ("train", "valid", "test")) > 0


@pytest.mark.parametrize("wrong", [{"pitches": [12]}, {"velocities": [0]}, {"seconds": 0.0}, {"sample_rate": 10}])
def test_arguments_out_of_range_are_reported(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        render_builtin(tmp_path / "c", **wrong)
    assert not (tmp_path / "c").exists()
