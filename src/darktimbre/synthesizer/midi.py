"""A MIDI file through an instrument: tempo, pedal, velocities → notes → one mixed wave; skipped things are counted."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.shape import fade_out
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import midi_file
from darktimbre.synthesizer.keys import Key, key_for, nearest_first, repitch
from darktimbre.synthesizer.midi_file import (
    BEND,
    CONTROL,
    NOTE_OFF,
    NOTE_ON,
    POLY_PRESSURE,
    PRESSURE,
    PROGRAM,
    MidiFile,
)
from darktimbre.synthesizer.synthesizer import Synthesizer

DRUMS = 9  # MIDI's channel 10, counted from 0
SUSTAIN = 64  # controller number of the sustain pedal
ALL_SOUND_OFF, RESET = 120, 121  # controllers, too: the first ends notes at once, the second lifts the pedal
ALL_NOTES_OFF = range(123, 128)  # lets all keys go; so do those that choose a mode
KEYS = range(128)
LONGEST = 3600.0  # s; a delta time can claim days in a file of a few bytes
RELEASE = 0.06  # s over which a note fades after its end


@dataclass(frozen=True, slots=True)
class Event:
    """One note to be played: seconds from the start (an infinite end: as long as it sounds), MIDI pitch, velocity."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Score:
    """The notes of a MIDI file in order of their start, and how often each kind of thing was skipped."""

    events: tuple[Event, ...]
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Performance:
    """A mixed wave and what happened on the way."""

    samples: NDArray[np.float32]  # (sample,) float32 within ±1
    notes: int  # notes played
    rendered: int  # different sounds the network made for them
    repitched: int  # notes outside the trained range, made by resampling the nearest trained pitch
    rang_out: int  # notes held longer than the instrument's sounds last
    skipped: Mapping[str, int]  # as in `Score`


def read_score(path: Path) -> Score:
    """Reads the notes of a MIDI file; see `midi_file.read` for what counts as one.

    Tempo changes are followed. A note lasts until its note-off, the older of two of one key first; while its channel's
    sustain pedal is down, until the pedal is lifted or the key struck again; one without note-off, as long as the
    instrument's sound. "All notes off" and the like end them. Drums (channel 10), programs, pitch bends and other
    controllers are skipped and counted.

    Raises:
        UserError: the file is no MIDI file, holds no notes, or lasts more than an hour.
    """
    score = collect(midi_file.read(path))
    if not score.events:
        skipped = ", ".join(f"{count} {name}" for name, count in score.skipped.items())
        raise UserError(f"{path} holds no notes to play{f'; skipped: {skipped}' if skipped else ''}.")
    return score


def collect(file: MidiFile) -> Score:
    """The notes of a file's messages.

    Raises:
        UserError: they last more than an hour.
    """
    keys = _Keys()
    skipped = Counter(file.skipped)
    for message in file.messages:
        now, kind, channel, first, second = message
        if now > LONGEST:
            raise UserError(f"The MIDI file lasts more than {LONGEST / 60:g} minutes; cut it into parts.")
        if kind == NOTE_ON and second and channel == DRUMS:
            skipped["drum notes"] += 1
        elif kind == NOTE_ON and second:
            keys.strike(now, channel, first, second)
        elif kind in (NOTE_ON, NOTE_OFF):
            keys.let_go(now, channel, first)
        elif kind != CONTROL:
            skipped[_KINDS[kind]] += 1
        elif first == SUSTAIN:
            keys.pedal(now, channel, second >= 64)
        elif first == ALL_SOUND_OFF:
            keys.silence(now, channel)
        elif first == RESET:
            keys.pedal(now, channel, False)
        elif first in ALL_NOTES_OFF:
            keys.let_all_go(now, channel)
        else:
            skipped["controller changes"] += 1
    if missing := keys.ring_out():
        skipped["missing note-offs"] = missing
    return Score(tuple(sorted(keys.events, key=lambda event: (event.start, event.pitch))), dict(skipped))


class _Keys:
    """The keys of all channels while a file is followed: what sounds, and what has ended."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._held: _Notes = defaultdict(deque)
        self._sustained: _Notes = defaultdict(deque)  # let go while the pedal is down
        self._pedals: set[int] = set()  # channels whose pedal is down

    def strike(self, now: float, channel: int, key: int, velocity: int) -> None:
        """A new note; those of its key that the pedal alone still holds end."""
        self._end(now, self._sustained, channel, [key])
        self._held[channel, key].append((now, velocity))

    def let_go(self, now: float, channel: int, key: int) -> None:
        """The oldest note of a key that is still held ends, or is the pedal's from now on."""
        if not (held := self._held[channel, key]):
            return
        start, velocity = held.popleft()
        if channel in self._pedals:
            self._sustained[channel, key].append((start, velocity))
        else:
            self.events.append(Event(start, now, key, velocity))

    def let_all_go(self, now: float, channel: int) -> None:
        """As a note-off for every note of a channel."""
        for key in KEYS:
            while self._held[channel, key]:
                self.let_go(now, channel, key)

    def pedal(self, now: float, channel: int, down: bool) -> None:
        """The sustain pedal goes down, or up, which ends what it alone holds."""
        if down:
            self._pedals.add(channel)
        elif channel in self._pedals:
            self._pedals.remove(channel)
            self._end(now, self._sustained, channel)

    def silence(self, now: float, channel: int) -> None:
        """Ends all notes of a channel, pedal or not."""
        self._end(now, self._held, channel)
        self._end(now, self._sustained, channel)

    def ring_out(self) -> int:
        """The file has ended: what is left sounds for as long as it can. Returns how many notes were never let go."""
        missing = sum(map(len, self._held.values()))
        for channel in range(16):
            self.silence(math.inf, channel)
        return missing

    def _end(self, now: float, notes: "_Notes", channel: int, keys: Iterable[int] = KEYS) -> None:
        for key in keys:
            self.events += [Event(start, now, key, velocity) for start, velocity in notes.pop((channel, key), ())]


_Notes = defaultdict[tuple[int, int], deque[tuple[float, int]]]
"""(channel, key) → start and velocity of each note, the oldest first."""

_KINDS = {
    PROGRAM: "program changes",
    BEND: "pitch bends",
    PRESSURE: "aftertouch messages",
    POLY_PRESSURE: "aftertouch messages",
}


def play(
    instrument: Synthesizer,
    score: Score,
    *,
    attributes: Mapping[str, float] | None = None,
    seed: int = 0,
    release: float = RELEASE,
) -> Performance:
    """Renders each pitch once, shapes and mixes the notes, and limits the mix.

    A note's gain is (velocity / 127)². Notes longer than the instrument's sounds end with them. Pitches outside the
    trained range are made of the nearest trained one by resampling, as a sampler does, so they are shorter above and
    longer below it.

    Args:
        instrument: what plays; without pitch classes every note sounds the same.
        score: from `read_score`.
        attributes: name → value, for all notes.
        seed: one timbre for all notes.
        release: seconds of the fade after a note's end.
    """
    rate = instrument.sample_rate
    keys = {pitch: key_for(instrument, pitch) for pitch in sorted({event.pitch for event in score.events})}
    if not instrument.attributes.pitches:  # drums and the like: every note is the same sound
        keys = {pitch: Key(pitch, None, 0.0) for pitch in keys}
    made = nearest_first({key.source for key in keys.values()}, near=0)  # rising
    pitches = [source for source in made if source is not None] or None
    waves = instrument.render(pitch=pitches, attributes=attributes, seed=[seed] * len(made))
    by_source = dict(zip(made, waves, strict=True))
    sounds = {pitch: repitch(by_source[key.source], key, rate) for pitch, key in keys.items()}

    fade = fade_out(max(1, round(release * rate)))
    lasts = {pitch: len(sound) / rate for pitch, sound in sounds.items()}
    ends = [event.end if event.end < math.inf else event.start + lasts[event.pitch] for event in score.events]
    mix = np.zeros(round(max(ends) * rate) + len(fade) + 1, np.float32)
    rang_out = 0
    for event, end in zip(score.events, ends, strict=True):
        held = round((end - event.start) * rate)
        sound = sounds[event.pitch][: held + len(fade)]
        rang_out += held > len(sounds[event.pitch])
        shaped = sound * np.float32((event.velocity / 127.0) ** 2)
        tail = len(shaped) - held
        if tail > 0:
            shaped[held:] *= fade[:tail]
        start = round(event.start * rate)
        mix[start : start + len(shaped)] += shaped[: len(mix) - start]
    repitched = sum(keys[event.pitch].semitones != 0 for event in score.events)
    return Performance(limit(mix), len(score.events), len(made), repitched, rang_out, score.skipped)


def limit(mix: NDArray[np.float32], *, knee: float = 0.7, ceiling: float = 0.99) -> NDArray[np.float32]:
    """Brings a mix to full level without clipping; all but its loudest thousandth stays a multiple of what it was.

    The gain puts the 99.9th percentile of |mix| at `knee`; what exceeds the knee is bent towards `ceiling` by a
    hyperbolic tangent, smoothly in value and slope. `mix` is (sample,) of any level; silence stays silence.
    """
    loud = np.abs(mix)
    level = float(np.percentile(loud[loud > 0], 99.9)) if (loud > 0).any() else 0.0
    if level <= 0.0:
        return np.zeros_like(mix)
    scaled = mix * np.float32(knee / level)
    above = np.maximum(np.abs(scaled) - knee, 0.0)
    room = ceiling - knee
    bent = np.minimum(np.abs(scaled), knee) + room * np.tanh(above / room)
    return (np.sign(scaled) * bent).astype(np.float32)
