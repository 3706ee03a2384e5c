"""A MIDI file through an instrument: tempo, pedal, velocities → notes → one mixed wave; skipped things are counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.shape import fade_out
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.keys import Key, key_for, nearest_first, repitch
from darktimbre.synthesizer.synthesizer import Synthesizer

DRUMS = 9  # MIDI's channel 10, counted from 0
SUSTAIN = 64  # controller number of the sustain pedal
LONGEST = 3600.0  # s; a delta time can claim days in a file of a few bytes
RELEASE = 0.06  # s over which a note fades after its end


@dataclass(frozen=True, slots=True)
class Event:
    """One note to be played: seconds from the start, MIDI pitch and velocity."""

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
    """Reads the notes of a standard MIDI file of type 0 or 1.

    Tempo changes are followed; a note lasts until its note-off, or, while its channel's sustain pedal is down, until
    the pedal is lifted or the key struck again. Drums (channel 10), programs, pitch bends and other controllers are
    skipped and counted.

    Raises:
        UserError: the file is no MIDI file, holds no notes, or lasts more than an hour.
    """
    import mido

    try:
        file = mido.MidiFile(path, clip=True)
        messages = list(file)
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.") from error
    except Exception as error:  # of a damaged byte mido raises anything, EOFError and KeySignatureError among it
        raise UserError(f"{path} cannot be read as a MIDI file ({type(error).__name__}: {error}).") from error
    score = collect(messages)
    if not score.events:
        skipped = ", ".join(f"{count} {name}" for name, count in score.skipped.items())
        raise UserError(f"{path} holds no notes to play{f'; skipped: {skipped}' if skipped else ''}.")
    return score


def collect(messages: Sequence[Any]) -> Score:
    """Notes of MIDI messages whose `time` is in seconds since the message before."""
    events: list[Event] = []
    skipped: Counter[str] = Counter()
    sounding: dict[tuple[int, int], tuple[float, int]] = {}  # (channel, key) → start, velocity
    released: dict[tuple[int, int], bool] = {}  # keys let go while the pedal holds them
    pedal: dict[int, bool] = {}
    now = 0.0

    def finish(key: tuple[int, int]) -> None:
        start, velocity = sounding.pop(key)
        released.pop(key, None)
        events.append(Event(start, now, key[1], velocity))

    for message in messages:
        now += message.time
        if now > LONGEST:
            raise UserError(f"The MIDI file lasts more than {LONGEST / 60:g} minutes; cut it into parts.")
        if message.is_meta or message.type not in ("note_on", "note_off", "control_change"):
            if not message.is_meta:
                skipped[_KINDS.get(message.type, "other messages")] += 1
            continue
        channel = message.channel
        if message.type == "control_change":
            if message.control != SUSTAIN:
                skipped["controller changes"] += 1
                continue
            pedal[channel] = message.value >= 64
            if not pedal[channel]:
                for key in [key for key in released if key[0] == channel]:
                    finish(key)
            continue
        key = (channel, message.note)
        if message.type == "note_on" and message.velocity > 0:
            if channel == DRUMS:
                skipped["drum notes"] += 1
                continue
            if key in sounding:
                finish(key)
            sounding[key] = (now, message.velocity)
        elif key in sounding:
            if pedal.get(channel):
                released[key] = True
            else:
                finish(key)
    if hanging := [key for key in sounding if key not in released]:
        skipped["missing note-offs"] = len(hanging)
    for key in list(sounding):
        finish(key)
    return Score(tuple(sorted(events, key=lambda event: (event.start, event.pitch))), dict(skipped))


_KINDS = {
    "program_change": "program changes",
    "pitchwheel": "pitch bends",
    "aftertouch": "aftertouch messages",
    "polytouch": "aftertouch messages",
    "sysex": "system messages",
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
    last = max(event.end for event in score.events)
    longest = max(len(sound) for sound in sounds.values())
    mix = np.zeros(round(last * rate) + len(fade) + 1, np.float32)
    rang_out = 0
    for event in score.events:
        held = round((event.end - event.start) * rate)
        sound = sounds[event.pitch][: held + len(fade)]
        rang_out += held > len(sounds[event.pitch])
        shaped = sound * np.float32((event.velocity / 127.0) ** 2)
        tail = len(shaped) - held
        if tail > 0:
            shaped[held:] *= fade[:tail]
        start = round(event.start * rate)
        mix[start : start + len(shaped)] += shaped[: len(mix) - start]
    assert len(mix) <= (LONGEST + release) * rate + longest + 2
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
