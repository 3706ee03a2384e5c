"""The bytes of a MIDI file → its channel messages in seconds; what cannot be read is left out and counted.

RP-001, *Standard MIDI Files 1.0*. Files are read as far as they go, for many programs write something else: a wrong
length of a track, meta events of another size, running status after a system message, fewer tracks than stated.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from darktimbre.notes.errors import UserError

NOTE_OFF, NOTE_ON, POLY_PRESSURE, CONTROL, PROGRAM, PRESSURE, BEND, SYSTEM = range(0x80, 0x100, 0x10)
LARGEST_FILE = 16 << 20  # bytes

_EXCLUSIVE, _META = (0xF0, 0xF7), 0xFF
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # bytes after a system message, which no file should hold
_TEMPO, _KEY, _END = 0x51, 0x59, 0x2F
_META_SIZES = {0x00: 2, 0x20: 1, 0x21: 1, _END: 0, _TEMPO: 3, 0x54: 5, 0x58: 4, _KEY: 2}  # of data, in bytes
_USUAL_TEMPO = 500_000  # µs a beat, until the file says something else
_LONGEST_NUMBER = 4  # bytes of a variable-length quantity


class Message(NamedTuple):
    """A message to one channel (0 to 15): when, what (`NOTE_ON`, …) and its one or two values.

    Inside this file also, with `SYSTEM` and the type of a meta event: a change of tempo, the end of a track.
    """

    time: float  # seconds; ticks until tempo is known
    kind: int
    channel: int
    first: int
    second: int = 0


class MidiFile(NamedTuple):
    """The messages of a file in the order of time, and how often each kind of thing was left out."""

    messages: tuple[Message, ...]
    skipped: Counter[str]


def read(path: Path) -> MidiFile:
    """Reads a MIDI file of type 0 or 1, or of type 2, whose tracks follow one another; also one inside a RIFF file.

    Raises:
        UserError: it is not there, larger than 16 MiB, or no MIDI file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    if len(content) > LARGEST_FILE:
        raise UserError(f"{path} is larger than {LARGEST_FILE >> 20} MiB: cut it into parts.")
    try:
        return parse(content)
    except ValueError as error:
        raise UserError(f"{path} cannot be read as a MIDI file: {error}.") from error


def parse(content: bytes) -> MidiFile:
    """As `read`, of a file's content.

    Raises:
        ValueError: it is no MIDI file; the message says why.
    """
    start = content.find(b"MThd")  # RIFF files, and those of old Macintoshes, begin with a header of their own
    if start < 0 or len(content) < start + 14:
        raise ValueError("it has no MIDI header")
    parts = ((4, 8), (8, 10), (10, 12), (12, 14))
    length, kind, stated, division = (int.from_bytes(content[start + a : start + b], "big") for a, b in parts)
    skipped: Counter[str] = Counter()
    tracks = [list(_events(track, skipped)) for track in _tracks(content, start + 8 + max(length, 6))]
    if not tracks:
        raise ValueError("it holds no track")
    if len(tracks) < stated:
        skipped["missing tracks"] = stated - len(tracks)
    messages: list[Message] = []
    began = 0.0
    for together in [[track] for track in tracks] if kind == 2 else [tracks]:
        events = sorted((event for track in together for event in track), key=lambda event: event.time)
        timed, began = _in_seconds(events, division, began)
        messages += timed
    return MidiFile(tuple(messages), skipped)


def _tracks(content: bytes, position: int) -> Iterator[bytes]:
    """The contents of the MTrk chunks; others are passed over."""
    while 0 <= position <= len(content) - 8:
        name, first = content[position : position + 4], position + 8
        position = first + int.from_bytes(content[position + 4 : first], "big")
        if not _may_begin_chunk(content, position):  # the length is wrong: what follows goes on up to the next track
            position = content.find(b"MTrk", first)
        if name == b"MTrk":
            yield content[first : position if position >= 0 else len(content)]


def _may_begin_chunk(content: bytes, position: int) -> bool:
    name = content[position : position + 4]
    return position <= len(content) and (len(name) < 4 or (name.isascii() and name.decode().isprintable()))


def _events(track: bytes, skipped: Counter[str]) -> Iterator[Message]:
    """A track's events, timed in ticks, up to its end or to where it cannot be read any further."""
    tick = position = running = 0
    try:
        while position < len(track):
            delta, position = _number(track, position)
            tick += delta
            status = track[position]
            if status < 0x80:
                status = running  # not cleared by system messages, as the standard has it: many programs do not, either
            else:
                position += 1
            if status == _META:
                kind, (length, position) = track[position], _number(track, position + 1)
                data, position = _part(track, position, length)
                if not _sensible(kind, data):
                    skipped["odd meta events"] += 1
                elif kind in (_TEMPO, _END):
                    yield Message(tick, SYSTEM, 0, kind, int.from_bytes(data, "big"))
                if kind == _END:
                    return
            elif status >= SYSTEM:
                length, position = (
                    _number(track, position) if status in _EXCLUSIVE else (_SYSTEM_DATA.get(status, 0), position)
                )
                _, position = _part(track, position, length)
                skipped["system messages"] += 1
            elif status:
                running, kind = status, status & 0xF0
                data, position = _part(track, position, 1 if kind in (PROGRAM, PRESSURE) else 2)
                yield Message(tick, kind, status & 0x0F, *(min(value, 0x7F) for value in data))
            else:
                raise EOFError
    except (IndexError, EOFError):
        skipped["tracks cut short"] += 1


def _number(track: bytes, position: int) -> tuple[int, int]:
    """A variable-length quantity: seven bits a byte, the last one below 128. Returns it and the place after it."""
    value = 0
    for place in range(position, position + _LONGEST_NUMBER):
        value = value << 7 | track[place] & 0x7F
        if track[place] < 0x80:
            return value, place + 1
    raise EOFError


def _part(track: bytes, position: int, length: int) -> tuple[bytes, int]:
    """So many bytes, and the place after them. Raises EOFError: there are fewer."""
    if position + length > len(track):
        raise EOFError
    return track[position : position + length], position + length


def _sensible(kind: int, data: bytes) -> bool:
    """Whether a meta event holds what its kind should."""
    if len(data) != _META_SIZES.get(kind, len(data)):
        return False
    if kind == _KEY:
        return int.from_bytes(data[:1], "big", signed=True) in range(-7, 8) and data[1] < 2
    return kind != _TEMPO or any(data)


def _in_seconds(events: Iterable[Message], division: int, began: float) -> tuple[list[Message], float]:
    """The channel messages of events in ticks, rising, timed in seconds from `began` on; and when the last event is.

    Raises:
        ValueError: a tick has no length.
    """
    counts_beats = division < 0x8000  # else SMPTE: minus the frames a second, and ticks a frame
    frames, ticks = (1, division) if counts_beats else (256 - (division >> 8), division & 0xFF)
    if not ticks:
        raise ValueError("it does not say how long a tick lasts")
    a_second = 30_000 / 1001 if frames == 29 else frames  # 29: the frames of NTSC
    seconds_a_tick = (_USUAL_TEMPO * 1e-6 if counts_beats else 1.0 / a_second) / ticks
    timed: list[Message] = []
    now, tick = began, 0.0
    for event in events:
        now += (event.time - tick) * seconds_a_tick
        tick = event.time
        if event.kind != SYSTEM:
            timed.append(event._replace(time=now))
        elif event.first == _TEMPO and counts_beats:
            seconds_a_tick = event.second * 1e-6 / ticks
    return timed, now
