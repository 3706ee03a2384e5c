"""Pitch and velocity as people write them into file names, and what is left: the instrument. Names are read together,
folder by folder; a rule that is not sure says nothing, or says why.

What counts as a pitch (C4 is MIDI 60, unless the folder or the user says that C3 is):

    Cello C#4, A4v10, Piano.mf.Bb3   a note name with its octave, standing apart or after a lower-case letter
    Sub A-1, C-4, Orgel H3           negative octaves, trackers' dashes, German names, where names beside bear them out
    piano-060-100                    MIDI note and velocity, NSynth's way
    midi60 note_60                   a number after a word that says so
    Pad_060_C3_127                   a number beside a note name of the same letter
    036-C, 60, 60_Rhodes             a number that opens the name, where a letter or the names beside it bear it out
    strings_060                      three digits at the very end, 021 to 108, unless the folder shows a running number

What does not: "808 kick 4", "trap clap 1", "synth c 2", "kluck - F" (no octave), "loop_100bpm", "C3 to E3" (which?).

Not part of the instrument: velocities ("vel100", three digits after the pitch), dynamics ("mf"), layers ("v2"), round
robins ("rr1"), takes ("take 2", a number after the pitch), and the running numbers of `darktimbre synth` and `export`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from darktimbre.notes.pitch import NAME, SEMITONES, parse_note_name

LOWEST, HIGHEST = 12, 127  # C0 to G9; numbers below are counters, not pitches
OCTAVES = {"C4": 0, "C3": SEMITONES, "C5": -SEMITONES, "C2": 2 * SEMITONES}
"""Which name MIDI 60 has → semitones that are added to a name read as C4 = 60."""
_PIANO = range(21, 109)  # what a bare number may mean
_FARTHEST = 24  # semitones between a number and the name beside it: conventions differ by at most two octaves

DYNAMICS = {
    "pppp": 8, "ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 127, "ffff": 127,
}  # fmt: skip
"""Dynamic mark → MIDI velocity."""
_WORDS = {
    "pianissimo": "pp", "mezzopiano": "mp", "mezzoforte": "mf", "forte": "f", "fortissimo": "ff", "piano": "p",
}  # fmt: skip

_NO = r"[^\W_]"  # what must not touch a word that stands apart: letters and digits
_NOTE = re.compile(
    rf"(?:(?<!{_NO})(?<![#♯♭])|(?<=[a-z])(?=[A-G])|(?<=(?<!{_NO})\d\d\d)(?=[A-G])){NAME}"
    rf"(?:(?!{_NO}|[#♯♭])|(?=[vV]\d))"
)
_NUMBER = re.compile(rf"(?<!{_NO})(?<!\d\.)\d{{1,3}}(?!{_NO}|\.\d)")
_NSYNTH = re.compile(r"(?:^|[-_])(?P<pitch>\d{3})[-_](?P<velocity>\d{3})$")
_WORD = re.compile(
    r"(?i)(?<![a-z])(?:midi[ _-]?(?P<midi>\d{1,3})|(?:note|pitch|key)[ _-]?(?P<other>\d{2,3}))(?![0-9a-z])"
)
_FIRST = re.compile(rf"(?P<number>\d{{2,3}})(?:[-_ .]+(?P<letter>[A-Ha-h](?:#|♯|s|is|b|♭|es)?)(?!{_NO})|(?=[-_ .]|$))")
_LAST = re.compile(r"[-_](?P<number>\d{3})$")
_VELOCITY = re.compile(r"(?i)(?<![a-z])vel(?:ocity)?[ _-]?(?P<velocity>\d{1,3})(?![0-9a-z])")
_MARK = re.compile(
    rf"(?i)(?:(?:(?<=\d)|(?<!{_NO}))(?:vl?|rr)\d{{1,3}}"
    rf"|(?<!{_NO})(?:rr|round[ _-]?robin|take|tk|layer|dyn)[ _-]?\d{{1,3}})(?!{_NO})"
)
_DYNAMIC = re.compile(
    rf"(?i)(?<!{_NO})(?:p{{1,4}}|mp|mf|f{{1,4}}|pianissimo|mezzo[ _-]?(?:piano|forte)|forte|fortissimo|piano)(?!{_NO})"
)
_NOT_PIANO = re.compile(r"(?i)forte|pianissimo|mezzo")  # beside these words, "piano" is a dynamic and no instrument
# Running numbers and settings in the names that `synth` and `export` give; they are no instruments of their own.
_OURS = re.compile(
    r"^(?:(?:random|interpolate|sweep_[^_]+|like_.+)(?P<verb>_[\d.]+)(?=$|_\d\d\d?_[A-G]#?-?\d)"
    r"|\d\d_[a-z0-9-]+(?:_v\d)?(?P<export>_\d\d)(?=_\d{3}_[A-G]s?-?\d$))"
)
# Words after which a letter with a digit counts takes or parts, and words that make a number a tempo or a counter.
_COUNTED = re.compile(
    r"(?i)(?:take|version|ver|mix|part|variation|var|alt|side|track|section|fig|figure|type|dub|bar)[ _.-]*$"
)
_TEMPO = re.compile(r"(?i)bpm|loop|tempo|take")
_SEPARATORS = " _-.,+()[]{}"
_GAP = re.compile(rf"[{re.escape(_SEPARATORS)}]*\0[\0{re.escape(_SEPARATORS)}]*")  # where something was cut out


@dataclass(frozen=True, slots=True)
class Named:
    """What a file name (without folder and extension) says."""

    pitch: int | None  # MIDI number, or None
    velocity: int | None  # MIDI velocity, or None
    rest: str  # the name without pitch, velocity and marks; equal for the notes of one multi-sampled instrument
    marked: bool = False  # whether a mark says that other sounds are of the same instrument, even where none is pitched
    doubt: str = ""  # why a pitch that may stand in the name is not believed


@dataclass(slots=True)
class Names:
    """What the names of one folder say."""

    named: dict[str, Named]
    # Semitones by which numbers lie above the names beside them; None where nothing shows it
    shift: int | None = None


def read_name(stem: str) -> Named:
    """Reads one name by itself."""
    return read_names([stem]).named[stem]


def read_names(stems: Iterable[str], middle_c: str = "") -> Names:
    """Reads the names of one folder together.

    Args:
        stems: names without folder and extension.
        middle_c: "C3" or "C4": the name of MIDI 60. Without it, C4 is, except where numbers beside the names show
            otherwise; such numbers are then believed, and the names beside them read likewise.
    """
    parts = {stem: _parts(stem) for stem in dict.fromkeys(stems)}
    _settle_notes(parts)
    shift = OCTAVES.get(middle_c)
    noted = [one for one in parts.values() if one.note is not None]
    found = _settle_numbers(noted, shift)
    if found is None and shift is None and any(one.note < 0 for one in noted if one.note is not None):
        found = OCTAVES["C3"]  # C-2 is the lowest name there is, and only where C3 is 60
    applied = shift if shift is not None else found or 0
    for one in parts.values():
        if one.note is not None and one.pitch is None and not one.doubt:
            one.pitch, one.doubt = _in_range(one.note + applied, one)
    _settle_bare([one for one in parts.values() if one.note is None and one.pitch is None])
    spoken = any(_NOT_PIANO.search(stem) for stem in parts)
    loud = any(len(mark) > 1 for one in parts.values() for mark, _ in one.dynamics)
    return Names({stem: _named(one, spoken, loud) for stem, one in parts.items()}, found)


# ----------------------------------------------------------------------------
# One name in parts

_Span = tuple[int, int]


@dataclass(slots=True)
class _Parts:
    """A name taken apart; spans are (start, stop) in `stem`."""

    stem: str
    cut: list[_Span] = field(default_factory=list)  # what is not part of the instrument
    velocity: int | None = None
    marked: bool = False
    dynamics: list[tuple[str, _Span]] = field(default_factory=list)
    notes: list[re.Match[str]] = field(default_factory=list)
    note: int | None = None  # MIDI number that the note name has with C4 = 60; may lie below 0
    span: _Span = (0, 0)  # of the note name
    numbers: list[re.Match[str]] = field(default_factory=list)  # that stand apart
    pitch: int | None = None
    doubt: str = ""

    def blank(self, *more: _Span) -> str:
        """The name with what is cut out as NULs, one for each character."""
        text = self.stem
        for start, stop in (*self.cut, *more):
            text = text[:start] + "\0" * (stop - start) + text[stop:]
        return text

    def skeleton(self) -> str:
        """What names have in common that differ in pitch, numbers and marks alone."""
        spans = [self.span] if self.note is not None else [match.span() for match in self.notes]
        return re.sub(r"\d+", "0", _GAP.sub("\0", self.blank(*spans, *(span for _, span in self.dynamics))))


def _parts(stem: str) -> _Parts:
    one = _Parts(stem)
    if (ours := _OURS.search(stem)) is not None:
        one.cut.append(ours.span("verb") if ours["verb"] else ours.span("export"))
        one.marked = True
    if (loud := _VELOCITY.search(stem)) is not None and 1 <= int(loud["velocity"]) <= 127:
        one.velocity = int(loud["velocity"])
        one.cut.append(loud.span())
    one.notes = [match for match in _NOTE.finditer(stem) if _plausible(stem, match)]
    if len({match.group().upper() for match in one.notes}) > 1:
        strong = [match for match in one.notes if not _is_weak(match.group())]
        one.notes = strong or one.notes
    notes = [match.span() for match in one.notes]
    one.cut += [match.span() for match in _MARK.finditer(one.blank(*notes))]
    one.marked |= bool(one.cut)
    for match in _DYNAMIC.finditer(one.blank(*notes)):
        word = re.sub(r"[ _-]", "", match.group()).lower()
        mark = _WORDS.get(word, word)
        # One letter is a dynamic in lower case only ("F" is a key); "piano" is one where `_named` finds it to be.
        if len(word) > 1 or match.group().islower():
            one.dynamics.append((mark if word != "piano" else "", match.span()))
    return one


def _plausible(stem: str, match: re.Match[str]) -> bool:
    text, before = match.group(), stem[: match.start()]
    if _COUNTED.search(before) or (before.endswith("d") and text[0] == "B"):
        return False  # "take B2"; "-12dB3"
    # Small letters are words more often than notes, except with a sharp sign or as the last thing said.
    return text[0].isupper() or text[1] in "#♯♭" or not stem[match.end() :].strip(_SEPARATORS)


def _is_weak(text: str) -> bool:
    """Whether a note name is believed only where names beside it bear it out: German H, a dash before the octave."""
    return text[0] in "Hh" or "-" in text


# ----------------------------------------------------------------------------
# Note names, the names of a folder together


def _settle_notes(parts: dict[str, _Parts]) -> None:
    """Decides which note name each name holds, if any."""
    groups: dict[str, list[_Parts]] = defaultdict(list)
    for one in parts.values():
        texts = {match.group() for match in one.notes}
        if len(texts) == 1 or len({_midi(text) for text in texts}) == 1:
            groups[one.skeleton()].append(one)
        else:
            one.notes = []  # none, or several ("C3 to E3")
    for group in groups.values():
        names = [one.notes[0].group() for one in group]
        german = len(set(names)) > 1 and any(re.match(r"[Hh]|[CDFGA]is|[CDFGA]IS", text) for text in names)
        dash = _dash(names)
        for one, text in zip(group, names, strict=True):
            if "-" in text and dash == "?":
                one.doubt = f"its name may say {text}, which no name beside it bears out"
                one.notes = []
            elif text[0] in "Hh" and not german:
                one.notes = []
            else:
                one.note = _midi(text.replace("-", "") if dash == "tracker" else text, german)
                one.span = one.notes[0].span()
                one.cut.append(one.span)


def _dash(texts: list[str]) -> str:
    """What dashes before octaves mean among the names of one instrument: "minus", "tracker" ("C-4" is C4), or "?"."""
    dashed = [text for text in texts if "-" in text]
    if not dashed:
        return ""
    octaves = {int(text[-1]) for text in dashed}
    letters = {text.upper().rstrip("0123456789-") for text in texts}
    sharps = any(text[1] in "#♯♭bs" for text in texts)
    if max(octaves) > 2:  # no instrument reaches so deep
        return "tracker" if len(letters) > 2 or (sharps and len(texts) > 1) else "?"
    borne_out = len(set(texts)) > (1 if octaves == {1} else 2)
    return "minus" if borne_out or any(text[1] in "#♯♭" for text in dashed) else "?"


def _midi(text: str, german: bool = False) -> int:
    """MIDI number of a note name whose octave may lie outside MIDI's range."""
    octave = re.search(r"-?\d$", text)
    assert octave is not None
    return parse_note_name(f"{text[: octave.start()]}4", german) + SEMITONES * (int(octave.group()) - 4)


def _in_range(pitch: int, one: _Parts) -> tuple[int | None, str]:
    """The pitch, or why there is none."""
    if 0 <= pitch <= HIGHEST:
        return pitch, ""
    name = one.stem[slice(*one.span)]
    return None, f"its name says {name}, which lies outside MIDI's range"


# ----------------------------------------------------------------------------
# Numbers beside note names


def _settle_numbers(parts: list[_Parts], shift: int | None) -> int | None:
    """Reads numbers beside note names as MIDI numbers, velocities and takes.

    Returns:
        The semitones by which MIDI numbers lie above names read as C4 = 60; None where no number shows it.
    """
    groups: dict[str, list[_Parts]] = defaultdict(list)
    for one in parts:
        one.numbers = list(_NUMBER.finditer(one.blank()))
        word = _WORD.search(one.blank())
        if word is not None:  # "Organ MIDI 72 C4"
            one.cut.append(word.span())
            one.numbers = [match for match in one.numbers if not word.start() <= match.start() < word.end()]
            _compare(one, int(word["midi"] or word["other"]), shift, usual=None)
        one.cut.sort()
        groups[one.skeleton()].append(one)
    shifts: Counter[int] = Counter()
    for group in groups.values():
        slot, usual = _midi_slot(group)
        if slot is not None:
            if usual is not None:
                shifts[usual] += len(group)
            for one in group:
                one.cut.append(one.numbers[slot].span())
                _compare(one, int(one.numbers[slot].group()), shift, usual=usual or 0)
        _settle_takes(group, slot)
    return shifts.most_common(1)[0][0] if shifts else None


def _compare(one: _Parts, number: int, shift: int | None, usual: int | None) -> None:
    """Number and note name as one pitch, or why they are none.

    With a `shift` that the user gave, the name is believed where the number lies whole octaves beside it; else the
    number is, where it lies as far from the name as is `usual` in the folder (None: any whole octaves).
    """
    assert one.note is not None
    apart = number - one.note
    if shift is not None and apart % SEMITONES == 0:
        one.pitch, one.doubt = _in_range(one.note + shift, one)
    elif shift is None and (apart == usual or (usual is None and apart % SEMITONES == 0)) and number <= HIGHEST:
        one.pitch = number
    else:
        read = one.note + (shift if shift is not None else usual or 0)
        one.doubt = f"its name says both {one.stem[slice(*one.span)]} (MIDI {read}) and {number}"


def _midi_slot(group: list[_Parts]) -> tuple[int | None, int | None]:
    """Which of the numbers of names that are built alike is MIDI's, and the usual distance from the note name.

    That is a number of the name's letter, in all names or in most of them, that changes with the name. In a single
    name, three digits before the note name, or the very number that the name means.
    """
    notes = {one.note for one in group}
    for slot in range(len(group[0].numbers)):
        texts = [one.numbers[slot].group() for one in group]
        apart = [int(text) - (one.note or 0) for text, one in zip(texts, group, strict=True)]
        fits = [
            one
            for one, text in zip(apart, texts, strict=True)
            if one % SEMITONES == 0 and abs(one) <= _FARTHEST and int(text) <= HIGHEST
        ]
        if not fits:
            continue
        usual, often = Counter(fits).most_common(1)[0]
        before = all(one.numbers[slot].start() < one.span[0] for one in group)
        padded = all(len(text) == 3 for text in texts)
        changes = len(notes) > 1 and len(set(texts)) > 1
        if usual == 0 and 2 * often >= len(group):
            return slot, 0
        if changes and 2 * often > len(group):
            return slot, usual
        if changes and len(group) > 2 and len(fits) == len(group):
            return slot, None
        if not changes and before and padded and len(fits) == len(group) == often:
            return slot, usual
    return None, None


def _settle_takes(group: list[_Parts], slot: int | None) -> None:
    """Numbers after the pitch: velocities where all have three digits and no other mark says how loud, else takes."""
    for place in range(len(group[0].numbers)):
        if place == slot or any(one.numbers[place].start() < one.span[0] for one in group):
            continue
        values = [one.numbers[place].group() for one in group]
        velocities = all(len(value) == 3 and 1 <= int(value) <= 127 for value in values)
        for one, value in zip(group, values, strict=True):
            one.cut.append(one.numbers[place].span())
            one.marked = True
            if velocities and one.velocity is None and not one.dynamics:
                one.velocity = int(value)


# ----------------------------------------------------------------------------
# Numbers without note names


def _settle_bare(parts: list[_Parts]) -> None:
    """Reads the pitch of names without a note name from numbers alone."""
    left = []
    for one in parts:
        text = one.blank()
        nsynth, word = _NSYNTH.search(text), _WORD.search(text)
        if nsynth and LOWEST <= int(nsynth["pitch"]) <= HIGHEST and 1 <= int(nsynth["velocity"]) <= 127:
            one.pitch, one.velocity = int(nsynth["pitch"]), int(nsynth["velocity"])
            one.cut.append(nsynth.span())
        elif word and LOWEST <= int(word["midi"] or word["other"]) <= HIGHEST:
            one.pitch = int(word["midi"] or word["other"])
            one.cut.append(word.span())
        elif not word:
            left.append(one)
    _settle_first(left)
    _settle_last([one for one in left if one.pitch is None])


def _settle_first(parts: list[_Parts]) -> None:
    """Numbers that open the name: with a letter of the same pitch behind them, or of several names that go on alike."""
    opened = [(one, match) for one in parts if (match := _FIRST.match(one.blank())) and not _TEMPO.search(one.stem)]
    counters = any(int(match["number"]) not in _PIANO for _, match in opened)
    alike: dict[str, list[tuple[_Parts, re.Match[str]]]] = defaultdict(list)
    for one, match in opened:
        number, letter = int(match["number"]), match["letter"]
        # "B" is B flat in German lists, where H follows it.
        if letter and any(
            (number - _midi(f"{letter}4", german)) % SEMITONES == 0 and LOWEST <= number <= HIGHEST
            for german in (False, True)
        ):
            one.pitch = number
            one.cut.append(match.span())
        elif not counters:
            cut = (match.span("number"), *(span for _, span in one.dynamics))
            alike[_tidy(one.blank(*cut))].append((one, match))
    for rest, group in alike.items():
        numbers = {match["number"] for _, match in group}
        if len(numbers) > 1 or (not rest and any(text.startswith("0") for text in numbers)):
            for one, match in group:
                one.pitch = int(match["number"])
                one.cut.append(match.span("number"))


def _settle_last(parts: list[_Parts]) -> None:
    """Three digits at the end; those that run outside a keyboard's range are counters."""
    ended = [(one, match) for one in parts if (match := _LAST.search(re.sub(r"[\0 _-]+$", "", one.blank())))]
    counted = {match.string[: match.start()] for _, match in ended if int(match["number"]) not in _PIANO}
    for one, match in ended:
        if match.string[: match.start()] not in counted and not _TEMPO.search(one.stem):
            one.pitch = int(match["number"])
            one.cut.append(match.span())


# ----------------------------------------------------------------------------


def _named(one: _Parts, spoken: bool, loud: bool) -> Named:
    """What was found in a name.

    `spoken`: whether names of the folder write dynamics as words; `loud`: whether some are marked as "pp", "mf" and so
    on, so that "p" and "f" are dynamics where no pitch stands beside them.
    """
    pitched = one.pitch is not None or bool(one.doubt)
    for mark, span in one.dynamics:
        if (mark == "" and not spoken) or (len(mark) == 1 and not pitched and not loud):
            continue
        one.cut.append(span)
        one.marked = True
        if one.velocity is None:
            one.velocity = DYNAMICS[mark or "p"]
    rest = _tidy(one.blank()) if pitched or one.marked else _tidy(one.stem)
    if not any(map(str.isalpha, rest)) and pitched:
        rest = ""  # numbers alone are no instrument's name
    return Named(one.pitch, one.velocity, rest, one.marked, one.doubt)


def _tidy(text: str) -> str:
    """Where something was cut out, one separator is left of those around it."""

    def joined(match: re.Match[str]) -> str:
        around = match.group().replace("\0", "")
        return around[:1] or " "

    return re.sub(r"\s+", " ", _GAP.sub(joined, text)).strip(_SEPARATORS)
