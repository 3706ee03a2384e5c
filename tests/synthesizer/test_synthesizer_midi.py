"""A MIDI file is followed: tempo, pedal, velocity; what is not played is counted, what is out of range re-pitched."""

import math
from pathlib import Path

import mido
import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.audio.pitch import yin
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.synthesizer import midi_file
from darktimbre.synthesizer.midi import Event, Score, limit, play, read_score
from darktimbre.synthesizer.midi_file import NOTE_ON
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


def _bytes(*tracks: bytes, kind: int = 0, stated: int | None = None, division: bytes = b"\x01\xe0") -> bytes:
    """A MIDI file byte by byte."""
    count = len(tracks) if stated is None else stated
    head = b"MThd\0\0\0\6" + kind.to_bytes(2, "big") + count.to_bytes(2, "big") + division
    return head + b"".join(b"MTrk" + len(track).to_bytes(4, "big") + track for track in tracks)


BEAT = b"\x83\x60"  # 480 ticks
END = b"\0\xff\x2f\0"


def _note(note: int, velocity: int = 100) -> bytes:
    """One note of a beat."""
    return bytes([0, 0x90, note, velocity]) + BEAT + bytes([0x80, note, 0])


SCALE = _note(60) + _note(64) + _note(67)
TWO = (Event(0.0, 0.5, 60, 100), Event(0.5, 1.0, 64, 100))
THREE = (*TWO, Event(1.0, 1.5, 67, 100))


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
    assert score.events == (Event(0.5, math.inf, 60, 100),)
    messages = ("program changes", "pitch bends", "controller changes", "system messages")
    assert score.skipped == dict.fromkeys((*messages, "drum notes", "missing note-offs"), 1)


@pytest.mark.parametrize(
    ("content", "events", "skipped"),
    [
        # meta events of another size than theirs, or with values that none has; a text of any bytes is a text
        (_bytes(b"\0\xff\x59\2\x12\1" + SCALE + END), THREE, {"odd meta events": 1}),
        (_bytes(b"\0\xff\x58\2\4\2" + b"\0\xff\x20\0" + SCALE + END), THREE, {"odd meta events": 2}),
        (_bytes(b"\0\xff\x51\3\0\0\0" + SCALE + END), THREE, {"odd meta events": 1}),
        (_bytes(b"\0\xff\x59\2\xf9\0\0\xff\1\2\xff\0\0\xff\x7f\1\0" + SCALE + END), THREE, {}),
        # other chunks, RIFF around all, bytes before and after
        (_bytes() + b"XFIH\0\0\0\3abc" + _bytes(SCALE + END)[14:], THREE, {}),
        (b"RIFF\x4a\0\0\0RMIDdata\x35\0\0\0" + _bytes(SCALE + END) + b"\0", THREE, {}),
        (b"\0\4song" + bytes(122) + _bytes(SCALE + END), THREE, {}),
        # lengths of tracks that are wrong, tracks that are missing, a track that breaks off
        (_bytes(SCALE + END)[:18] + b"\0\0\0\4" + _bytes(SCALE + END)[22:], THREE, {}),
        (_bytes(SCALE + END)[:18] + b"\xff\xff\xff\xff" + _bytes(SCALE + END)[22:], THREE, {}),
        (_bytes(SCALE + END)[:-1], THREE, {"tracks cut short": 1}),
        (_bytes(SCALE + b"\0\xff\1\x7ftext"), THREE, {"tracks cut short": 1}),
        (_bytes(SCALE + b"\xff\xff\xff\xff\x7f\x90\x3c\x40"), THREE, {"tracks cut short": 1}),
        (_bytes(SCALE + END, kind=1, stated=5), THREE, {"missing tracks": 4}),
        # running status goes on after a system message, also one that no file should hold
        (
            _bytes(_note(60) + b"\0\x90\x40\x64\0\xf0\2\x7e\xf7\0\xfe" + BEAT + b"\x40\0" + END),
            TWO,
            {"system messages": 2},
        ),
        # frames of SMPTE instead of beats, for which tempo means nothing
        (
            _bytes(b"\0\xff\x51\3\1\2\3" + _note(60) + _note(64) + END, division=b"\xe8\x28"),
            (Event(0.0, 0.5, 60, 100), Event(0.5, 1.0, 64, 100)),
            {},
        ),
        # tracks of a file of type 2 follow one another
        (_bytes(_note(60) + END, _note(64) + END, _note(67) + END, kind=2), THREE, {}),
    ],
)
def test_files_as_programs_write_them_are_read_as_far_as_they_go(
    tmp_path: Path, content: bytes, events: tuple[Event, ...], skipped: dict[str, int]
) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    score = read_score(tmp_path / "a.mid")
    assert [event.pitch for event in score.events] == [event.pitch for event in events]
    np.testing.assert_allclose(*([(event.start, event.end) for event in one] for one in (score.events, events)))
    assert score.skipped == skipped


def test_ntsc_frames_last_a_thousandth_longer_than_thirtieths(tmp_path: Path) -> None:
    ends = {}
    for frames in (29, 30):
        (tmp_path / "a.mid").write_bytes(_bytes(_note(60) + END, division=bytes([256 - frames, 80])))
        ends[frames] = read_score(tmp_path / "a.mid").events[0].end
    assert ends[30] == pytest.approx(480 / (30 * 80))
    assert ends[29] / ends[30] == pytest.approx(1.001)


def test_each_note_off_ends_the_oldest_note_of_its_key(tmp_path: Path) -> None:
    tracks = [_on(60, 0), _off(60, 2)], [_on(60, 1, velocity=50), _off(60, 2)]
    events = read_score(_file(tmp_path / "a.mid", *tracks)).events
    assert events == (Event(0.0, 1.0, 60, 100), Event(0.5, 1.5, 60, 50))


@pytest.mark.parametrize(("control", "ends"), [(120, 0.5), (123, 1.0), (127, 1.0), (121, 0.5), (64, 0.5)])
def test_controllers_end_notes_the_pedal_holding_what_keys_let_go(tmp_path: Path, control: int, ends: float) -> None:
    """Under the pedal: all sound off, all notes off (two names of it), all controllers reset, and the pedal itself."""
    command = mido.Message("control_change", control=control, time=TICKS if control not in (121, 64) else 0)
    before = [] if control not in (121, 64) else [_off(60, 1)]
    track = [_pedal(True, 0), _on(60, 0), *before, command, _pedal(False, 1), _on(62, 1), _off(62, 1)]
    score = read_score(_file(tmp_path / "a.mid", track))
    assert score.events[0] == Event(0.0, ends, 60, 100)
    assert not score.skipped


def test_a_note_without_end_sounds_as_long_as_it_can(tmp_path: Path) -> None:
    score = read_score(_file(tmp_path / "a.mid", [_on(60, 1)]))
    played = play(Sines(), score)  # type: ignore[arg-type]
    assert len(played.samples) / Sines.sample_rate == pytest.approx(0.5 + Sines.seconds, abs=0.1)
    assert np.abs(played.samples[23000:23900]).max() > 0.1
    assert (score.skipped, played.rang_out) == ({"missing note-offs": 1}, 0)


def test_any_file_that_mido_writes_is_read_as_mido_reads_it(tmp_path: Path) -> None:
    """Against mido's own merging and tempo map, over random files of type 0 and 1."""
    for seed in range(20):
        draw = np.random.default_rng(seed)
        tracks: list[list[mido.Message]] = [[] for _ in range(int(draw.integers(1, 4)))]
        for track in tracks:
            for _ in range(30):
                time = int(draw.integers(0, 900))
                track.append(
                    [
                        mido.Message(
                            "note_on", note=int(draw.integers(128)), velocity=int(draw.integers(128)), time=time
                        ),
                        mido.Message("program_change", program=3, time=time),
                        mido.MetaMessage("set_tempo", tempo=int(draw.integers(1, 900_000)), time=time),
                        mido.MetaMessage("track_name", name="x", time=time),
                    ][int(draw.integers(4))]
                )
        file = mido.MidiFile(_file(tmp_path / "a.mid", *tracks))
        now, wanted = 0.0, []
        for message in file:
            now += message.time
            if message.type == "note_on":
                wanted.append((now, message.note, message.velocity))
        found = [(m.time, m.first, m.second) for m in midi_file.read(tmp_path / "a.mid").messages if m.kind == NOTE_ON]
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_files_that_cannot_be_played_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        read_score(tmp_path / "none.mid")
    for content in (b"", b"RIFF....WAVE", _bytes(), _bytes(b"", division=b"\0\0"), _bytes(b"", division=b"\xe7\0")):
        (tmp_path / "bad.mid").write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as a MIDI file"):
            read_score(tmp_path / "bad.mid")
    (tmp_path / "bad.mid").write_bytes(_bytes(b"\0\x90"))
    with pytest.raises(UserError, match="no notes to play; skipped: 1 tracks cut short"):
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
