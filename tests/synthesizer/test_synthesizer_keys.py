"""Every key sounds at its own pitch: from the network where it can, else from the nearest pitch it was trained on."""

import numpy as np
import pytest
from tests.bundle.tiny import PITCHES, tiny_bundle

from darktimbre.audio.pitch import yin
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.synthesizer.controls import Controls
from darktimbre.synthesizer.keys import (
    Key,
    key_for,
    keyboard,
    nearest_first,
    render_key,
    render_sources,
    repitch,
    sources,
)
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer


class Sines:
    """Stands in for a trained instrument: a second of a few harmonics of the pitch in the condition."""

    sample_rate, samples, latent_size = 16000, 16000, 8

    def __init__(self, pitches: tuple[int, ...] = (60, 62, 65), between: bool = False) -> None:
        self.attributes = Attributes(pitches=pitches, names=("Drum",))
        self.controls = Controls(self.attributes, 8, np.zeros(1, np.float32), between=between)

    def waves(self, condition: np.ndarray, latent: np.ndarray, level_db: float | None = None) -> np.ndarray:
        pitches = condition[:, : len(self.attributes.pitches)] @ np.asarray(self.attributes.pitches, np.float64)
        at = 2 * np.pi * np.arange(self.samples) / self.sample_rate
        hz = [midi_to_hz(pitch) for pitch in pitches]
        return np.stack([sum(np.sin(n * one * at) / n for n in (1, 2, 3)) for one in hz]).astype(np.float32) / 4


def test_inside_the_trained_range_the_network_plays_itself_if_it_can() -> None:
    comb, plain = Sines(between=True), Sines()
    assert key_for(comb, 61) == Key(61, 61.0, 0.0)
    assert key_for(plain, 61) == Key(61, 60.0, 1.0)  # of two equally near, the lower
    assert key_for(plain, 64) == Key(64, 65.0, -1.0)
    for instrument in (comb, plain):
        assert key_for(instrument, 48) == Key(48, 60.0, -12.0)
        assert key_for(instrument, 77) == Key(77, 65.0, 12.0)
    assert sources(comb) == tuple(map(float, range(60, 66)))
    assert sources(plain) == (60.0, 62.0, 65.0)


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("pitches", [(60, 62, 65), (69, 44, 50), (21, 108), (60,)])
def test_a_keyboard_has_every_key_once_and_only_sources_the_network_has(
    pitches: tuple[int, ...], between: bool
) -> None:
    instrument = Sines(pitches, between)
    keys = keyboard(instrument)
    assert [key.midi for key in keys] == list(range(max(21, min(pitches) - 18), min(108, max(pitches) + 18) + 1))
    assert {key.source for key in keys} <= set(sources(instrument))
    assert set(pitches) <= {key.midi for key in keys if key.semitones == 0}
    for key in keys:
        assert key.source is not None
        assert key.midi == key.source + key.semitones
        outside = not min(pitches) <= key.midi <= max(pitches)
        assert (key.semitones != 0) >= outside
        assert abs(key.semitones) == min(abs(key.midi - source) for source in sources(instrument))


def test_keyboards_are_bounded_by_midi() -> None:
    assert [key.midi for key in keyboard(Sines(), 0, 127)] == list(range(128))
    assert [key.midi for key in keyboard(Sines((10, 120)))][::110] == [10, 120]
    for low, high in ((-1, 60), (60, 128), (61, 60)):
        with pytest.raises(UserError, match="within MIDI 0 to 127"):
            keyboard(Sines(), low, high)


def test_an_instrument_without_pitch_is_spread_around_middle_c() -> None:
    drums = Synthesizer(tiny_bundle(pitched=False))
    assert sources(drums) == (None,)
    keys = keyboard(drums)
    assert (keys[0], keys[-1]) == (Key(42, None, -18.0), Key(78, None, 18.0))
    patch = Patch(attributes={"Drum": 0.9}, seed=4)
    np.testing.assert_array_equal(render_key(drums, patch, 60), drums.render(attributes={"Drum": 0.9}, seed=[4])[0])
    assert len(render_key(drums, patch, 72)) == drums.samples // 2


def test_nearest_come_first_and_the_lower_of_two() -> None:
    assert nearest_first((60.0, 61.0, 62.0, 63.0), 62) == [62.0, 61.0, 63.0, 60.0]
    assert nearest_first((60.0, 61.0, 62.0), 100) == [62.0, 61.0, 60.0]
    assert nearest_first((58.0, 59.0, 60.0, 61.0), None) == [60.0, 59.0, 61.0, 58.0]
    assert nearest_first((None,), 3) == [None]


@pytest.mark.parametrize("rate", [None, 48000, 44100])
def test_each_key_has_the_pitch_it_is_named_by(rate: int | None) -> None:
    instrument = Sines(between=True)
    for midi in (45, 53, 59, 60, 63, 65, 66, 72, 83):
        wave = render_key(instrument, Patch(), midi, rate)
        played_at = rate or instrument.sample_rate
        frequency, _ = yin(wave[None, played_at // 10 : played_at // 10 + played_at // 4], played_at, fmin=60.0)
        assert abs(1200 * np.log2(frequency[0] / midi_to_hz(midi))) < 10
        seconds = instrument.samples / instrument.sample_rate / key_for(instrument, midi).speed
        assert len(wave) / played_at == pytest.approx(seconds, abs=2 / played_at)


def test_a_key_of_the_trained_range_is_the_rendered_note_to_the_bit() -> None:
    instrument = Synthesizer(tiny_bundle())
    patch = Patch(attributes={"drum": 0.7}, seed=9, pad=(0.5, -0.25))
    latent = patch.latent_on(instrument)
    notes = render_sources(instrument, patch, [59.0, 60.0, 61.0])
    np.testing.assert_array_equal(notes, instrument.render(pitch=PITCHES, attributes={"Drum": 0.7}, latent=latent))
    for midi, note in zip(PITCHES, notes, strict=True):
        np.testing.assert_array_equal(render_key(instrument, patch, midi), note)
    above = key_for(instrument, 68)
    np.testing.assert_array_equal(render_key(instrument, patch, 68), repitch(notes[2], above, instrument.sample_rate))
