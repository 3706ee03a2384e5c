"""A MIDI file is followed: tempo, pedal, velocity; what is not played is counted, what is out of range re-pitched."""

from pathlib import Path

import mido
import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.audio.pitch import yin
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.synthesizer.midi import Event, Score, limit, play, read_score
from darktimbre.synthesizer.synthesizer import Synthesizer

TICKS = 480  # a beat; half a second at MIDI's tempo of 120


def _on(note: int, time: float, velocity: int = 100, channel: int = 0) -> mido.Message:
    return mido.Message("note_on", note=note, velocity=velocity, channel=channel, time=round(time * TICKS))


def _off(note: int, time: float, channel: int = 0) -> mido.Message:
    return mido.Message("note_off", note=note, channel=channel, time=round(time * TICKS))


def _pedal(down: bool, time: float) -> mido.Message:
    return mido.Message("control_change", control=64, value=127 if down else 0, time=round(time * TICKS))


def _file(path: Path, *tracks: list[mido.Message], kind: int = 1) -> Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=TICKS)
    for track in tracks:
        file.tracks.append(mido.MidiTrack(track))
    file.save(path)
    return path


class Sines:
    """Stands in for a trained instrument: one second of a sine at the requested pitch."""

    sample_rate, samples, seconds = 16000, 16000, 1.0
    attributes = Attributes(pitches=(60, 62, 64))

    class controls:
        between = False

    def render(self, *, pitch: list[int], attributes: object, seed: list[int]) -> np.ndarray:
        self.rendered = pitch
        at = np.arange(self.samples) / self.sample_rate
        return np.stack([0.5 * np.sin(2 * np.pi * midi_to_hz(one) * at) for one in pitch]).astype(np.float32)


def test_tempo_changes_move_what_comes_after_them(tmp_path: Path) -> None:
    tempo = [mido.MetaMessage("set_tempo", tempo=1_000_000, time=TICKS)]  # from beat 1 on: 60 a minute
    notes = [_on(60, 0), _off(60, 1), _on(62, 0), _off(62, 2)]
    events = read_score(_file(tmp_path / "a.mid", tempo, notes)).events
    assert events == (Event(0.0, 0.5, 60, 100), Event(0.5, 2.5, 62, 100))


def test_the_pedal_holds_what_was_let_go_until_it_is_lifted_or_struck_again(tmp_path: Path) -> None:
    track = [_pedal(True, 0), _on(60, 0), _off(60, 1), _on(62, 0), _off(62, 1), _on(60, 0)]
    track += [_pedal(False, 2), _off(60, 1)]
    events = read_score(_file(tmp_path / "a.mid", track)).events
    assert events == (Event(0.0, 1.0, 60, 100), Event(0.5, 2.0, 62, 100), Event(1.0, 2.5, 60, 100))


def test_velocity_zero_is_a_note_off_and_channels_are_apart(tmp_path: Path) -> None:
    track = [_on(60, 0, channel=1), _on(60, 1, channel=2), _on(60, 1, velocity=0, channel=1), _off(60, 1, channel=2)]
    assert read_score(_file(tmp_path / "a.mid", track)).events == (Event(0.0, 1.0, 60, 100), Event(0.5, 1.5, 60, 100))


def test_everything_skipped_is_counted(tmp_path: Path) -> None:
    track = [
        mido.Message("program_change", program=5),
        mido.Message("pitchwheel", pitch=100),
        mido.Message("control_change", control=7, value=90),
        _on(36, 0, channel=9),
        _off(36, 1, channel=9),
        _on(60, 0),
        mido.Message("sysex", data=[1, 2], time=TICKS),
    ]
    score = read_score(_file(tmp_path / "a.mid", track))
    assert score.events == (Event(0.5, 1.0, 60, 100),)
    messages = ("program changes", "pitch bends", "controller changes", "system messages")
    assert score.skipped == dict.fromkeys((*messages, "drum notes", "missing note-offs"), 1)


def test_files_that_cannot_be_played_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        read_score(tmp_path / "none.mid")
    for content in (b"", b"RIFF....WAVE", b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\xff\xff\x00\x90"):
        (tmp_path / "bad.mid").write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as a MIDI file"):
            read_score(tmp_path / "bad.mid")
    with pytest.raises(UserError, match="no notes to play; skipped: 1 drum notes"):
        read_score(_file(tmp_path / "drums.mid", [_on(36, 0, channel=9)]))
    with pytest.raises(UserError, match="more than 60 minutes"):
        read_score(_file(tmp_path / "days.mid", [_on(60, 0), _off(60, 100_000)]))


def test_notes_lie_where_they_should_with_their_gain_and_fade() -> None:
    score = Score((Event(0.0, 0.25, 60, 127), Event(1.0, 1.25, 62, 64)), {})
    played = play(Sines(), score, release=0.05)  # type: ignore[arg-type]
    rate = Sines.sample_rate
    samples = played.samples
    level = [
        np.abs(samples[round(a * rate) : round(b * rate)]).max() for a, b in ((0.05, 0.25), (0.31, 1.0), (1.05, 1.25))
    ]
    assert level[1] == 0.0
    assert level[2] / level[0] == pytest.approx((64 / 127) ** 2, rel=0.02)
    fading = np.abs(samples[round(0.25 * rate) : round(0.30 * rate)]).reshape(5, -1).max(axis=1)
    assert (np.diff(fading) < 0).all()
    assert (played.notes, played.rendered, played.repitched, played.rang_out) == (2, 2, 0, 0)


def test_each_pitch_is_rendered_once_and_others_are_made_of_the_nearest() -> None:
    sines = Sines()
    pitches = (60, 60, 48, 52, 72, 67)
    score = Score(tuple(Event(2.0 * i, 2.0 * i + 0.2, pitch, 100) for i, pitch in enumerate(pitches)), {})
    played = play(sines, score)  # type: ignore[arg-type]
    assert sines.rendered == [60, 64]
    assert played.repitched == 4
    for index, pitch in enumerate(pitches):
        start = 2 * index * sines.sample_rate
        frequency, _ = yin(played.samples[None, start : start + 3200], sines.sample_rate)
        assert abs(1200 * np.log2(frequency[0] / midi_to_hz(pitch))) < 10


def test_notes_longer_than_the_sound_are_counted_and_overlaps_add_up() -> None:
    score = Score((Event(0.0, 3.0, 60, 100), Event(0.5, 3.0, 60, 100)), {})
    played = play(Sines(), score)  # type: ignore[arg-type]
    assert played.rang_out == 2
    assert not played.samples[round(1.5 * 16000) + 2 :].any()


def test_a_real_instrument_plays_the_same_twice_and_its_comb_what_lies_between() -> None:
    instrument = Synthesizer(tiny_bundle())
    score = Score((Event(0.0, 0.1, 60, 100), Event(0.1, 0.2, 70, 90), Event(0.3, 0.4, 61, 90)), {"drum notes": 2})
    one, two = (play(instrument, score, attributes={"Drum": 0.9}, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.samples, two.samples)
    assert (one.rendered, one.repitched, dict(one.skipped)) == (2, 1, {"drum notes": 2})
    unpitched = play(Synthesizer(tiny_bundle(pitched=False)), score)
    assert (unpitched.rendered, unpitched.repitched) == (1, 0)


def test_the_limiter_keeps_order_shape_and_ceiling() -> None:
    wave = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    wave[100] = 50.0
    limited = limit(wave)
    assert np.abs(limited).max() <= 0.99
    order = np.argsort(wave, kind="stable")
    assert (np.diff(limited[order]) >= 0).all()
    quiet = np.abs(limited) < 0.69
    ratio = limited[quiet] / wave[quiet]
    assert quiet.mean() > 0.99
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    np.testing.assert_allclose(limit(0.01 * wave), limited, atol=1e-5)
    assert not limit(np.zeros(10, np.float32)).any()
