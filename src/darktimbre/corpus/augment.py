"""Corpus → larger corpus: its notes, and copies of them with other timbres but the same pitch, level and split.

A copy of an instrument is an instrument of its own: one change of timbre, drawn from seed and name, for all its notes.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.effects import bins_for, driven, enveloped, filtered, layered, minimum_phase
from darktimbre.audio.loudness import at_peak
from darktimbre.audio.pitch import yin
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS, fraction
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz

MADE_BY, AUGMENTED = "darktimbre augment", "augmented"
MOST_COPIES = 100  # of a note
ALL = "all"  # splits

LAYER, ENVELOPE, DRIVE = 0.6, 0.4, 0.3  # how often a copy has them; its spectrum is always filtered
LAYER_DB = (-12.0, 3.0)  # the other note, relative to this one
TILT_DB = (-4.0, 4.0)  # an octave, around `TILT_HZ`
TILT_HZ, TILT_MOST = 500.0, 18.0  # Hz; dB in all
FORMANTS, FORMANT_HZ, FORMANT_OCTAVES, FORMANT_DB = 3, (150.0, 6000.0), (0.25, 1.2), (-12.0, 12.0)
ATTACK, DECAY = (0.005, 0.08), (0.3, 3.0)  # s
DRIVE_DB = (3.0, 24.0)
SURE = 0.8  # confidence from which a measured pitch counts


@dataclass(frozen=True)
class Change:
    """What makes a copy's timbre another one."""

    layer_db: float | None  # of a note of another instrument, relative to this one's; None: no layer
    tilt_db: float  # an octave
    formants: tuple[tuple[float, float, float], ...]  # bumps of the spectrum: Hz, width in octaves, dB
    envelope: tuple[float, float] | None  # attack, and decay by 60 dB, in s
    drive_db: float | None

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Change":
        """A random one."""
        layer, envelope, drive = random.random(3) < (LAYER, ENVELOPE, DRIVE)

        def spaced(ends: tuple[float, float]) -> float:
            return float(np.exp(random.uniform(*np.log(ends))))

        formants = ((spaced(FORMANT_HZ), spaced(FORMANT_OCTAVES), random.uniform(*FORMANT_DB)) for _ in range(FORMANTS))
        return cls(
            layer_db=random.uniform(*LAYER_DB) if layer else None,
            tilt_db=random.uniform(*TILT_DB),
            formants=tuple(formants),
            envelope=(spaced(ATTACK), spaced(DECAY)) if envelope else None,
            drive_db=random.uniform(*DRIVE_DB) if drive else None,
        )

    def gains_db(self, hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of its filter at some frequencies."""
        octaves = np.log2(np.maximum(hz, 20.0) / TILT_HZ)
        gains = np.clip(self.tilt_db * octaves, -TILT_MOST, TILT_MOST)
        for centre, width, height in self.formants:
            gains += height * np.exp(-0.5 * ((octaves - math.log2(centre / TILT_HZ)) / (width / 2)) ** 2)
        return gains


class Changer:
    """A change, ready for the notes of one length and rate."""

    def __init__(self, change: Change, samples: int, rate: int) -> None:
        self.change, self.samples, self.rate = change, samples, rate

    @cached_property
    def _response(self) -> NDArray[np.complex128]:
        hz = np.linspace(0.0, self.rate / 2, bins_for(self.samples))
        return minimum_phase(10 ** (self.change.gains_db(hz) / 20))

    def changed(self, wave: NDArray[np.float32], other: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """A note (sample,) with the change, at its own peak; `other`: a note of the same pitch, to be layered."""
        change, made = self.change, wave.astype(np.float64)
        if change.layer_db is not None and other is not None:
            made = layered(made, other.astype(np.float64), change.layer_db)
        if change.drive_db is not None:
            made = driven(made, change.drive_db)
        made = filtered(made, self._response)
        if change.envelope is not None:
            made = enveloped(made, self.rate, attack=change.envelope[0], decay=change.envelope[1])
        peak = float(np.abs(wave).max(initial=0.0))
        return at_peak(made[None].astype(np.float32), 20 * math.log10(peak))[0] if peak else wave


def augment(
    out: Path | str,
    source: Corpus,
    *,
    copies: int,
    seed: int = 0,
    of: str = "train",
    layers: bool = True,
    name: str = "",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Writes all notes of a corpus, and after them changed copies of some; the same arguments give the same digest.

    Copy 1 is the same whatever the number of copies. A note is layered with one of the same split, pitch and styles,
    of an instrument drawn for the copy; where that has no such note, of the next in an order that is drawn as well.
    Copies that clearly sound at another pitch than their note are left out (counted as `off_pitch`, listed in
    rejected.csv).

    Args:
        out: the corpus folder to make.
        source: the corpus that is added to.
        copies: of each note.
        seed: of the changes; the split stays the source's.
        of: the notes of which split are copied, or "all". Of train alone, held-out notes stay as they were recorded.
        layers: whether notes are layered.
        name: what the corpus is called.
        overwrite: replace a corpus that is already there.
        progress: called with (notes done, notes in all).

    Raises:
        UserError: the source is augmented itself, the split has no notes, a number is out of range, or `out` is taken.
    """
    if not 1 <= copies <= MOST_COPIES:
        raise UserError(f"Notes are copied 1 to {MOST_COPIES} times, not {copies}.")
    made = source.meta.get("provenance") or {}
    if AUGMENTED in made:
        raise UserError(f"{source.path} is augmented already: augment the corpus that it was made of.")
    if of not in (*SPLITS, ALL) or not len(rows := source.rows(None if of == ALL else of)):
        raise UserError(f"{source.path} has no notes of {of!r} to copy: choose one of {', '.join(SPLITS)}, {ALL}.")
    facts = {"source": source.name, "digest": source.digest, "copies": copies, "seed": seed, "of": of, "layers": layers}
    notes = Notes(source, rows)
    done, total = len(source), len(source) + copies * len(rows)
    with CorpusWriter(
        out, sample_rate=source.sample_rate, samples=source.samples, licence=source.meta.get("licence", "unknown"),
        provenance={**made, "made_by": MADE_BY, AUGMENTED: facts}, name=name, split="given", overwrite=overwrite,
    ) as writer:  # fmt: skip
        for row in source.rows():
            writer.add(source.note(int(row)), source.int16(row)[0])
        for copy in range(1, copies + 1):
            for row, note, wave in notes.copied(copy, seed, layers=layers):
                if off_pitch(wave, source.sample_rate, note.pitch) and not notes.off_pitch(row):
                    writer.count("off_pitch")
                    writer.reject(note.id, f"off pitch: the copy sounds at another pitch than {note.pitch}")
                else:
                    writer.add(note, wave)
                    writer.count(AUGMENTED)
                done += 1
                if progress:
                    progress(done, total)
    return writer.corpus


def recorded_instruments(corpus: Corpus) -> NDArray[np.object_]:
    """(note,): the instrument of each note of a corpus; of a copy, the one that it is a copy of.

    Copies of an instrument are no further instruments where notes are held out, or intervals count instruments.
    """
    names, facts = corpus.column("instrument"), (corpus.meta.get("provenance") or {}).get(AUGMENTED)
    if not isinstance(facts, Mapping):
        return names
    ends = tuple(f"+{copy}" for copy in range(1, int(facts["copies"]) + 1))

    def recorded(name: str, note: str) -> str:
        end = name[name.rfind("+") :]
        return name.removesuffix(end) if end in ends and note.endswith(end) else name

    return np.array([recorded(*both) for both in zip(names, corpus.column("id"), strict=True)], dtype=object)


class Notes:
    """The notes that are copied, and which of them can sound together: of one split, one pitch and the same styles."""

    def __init__(self, source: Corpus, rows: NDArray[np.int64]) -> None:
        self.source, self.rows = source, rows
        self._instrument, self._velocity = source.column("instrument"), source.column("velocity")
        self._pitch = source.column("pitch")
        self._key = list(zip(source.column("split"), self._pitch, source.column("styles"), strict=True))
        self._there: dict[tuple[object, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row in rows.tolist():
            if self._pitch[row] >= 0:
                self._there[self._key[row]][str(self._instrument[row])].append(row)
        self._off: dict[int, bool] = {}

    def copied(self, copy: int, seed: int, *, layers: bool) -> Iterator[tuple[int, Note, NDArray[np.float32]]]:
        """One copy of each: its row, what it is, and its sound (sample,)."""
        source, name = self.source, ""
        for row in self.rows.tolist():
            note = source.note(row)
            if name != f"{note.instrument}+{copy}":  # notes of an instrument mostly follow each other
                name = f"{note.instrument}+{copy}"
                change = Change.drawn(_generator(seed, name))
                changer = Changer(change, source.samples, source.sample_rate)
            paired = layers and change.layer_db is not None
            other = self.layer_of(row, name, seed) if paired else None
            there = {"layered": other, "enveloped": change.envelope, "driven": change.drive_db}
            tags = (*note.tags, AUGMENTED, *(word for word, what in there.items() if what is not None))
            wave = changer.changed(source.waves(row)[0], None if other is None else source.waves(other)[0])
            yield row, replace(note, id=f"{note.id}+{copy}", instrument=name, tags=tags), wave

    def layer_of(self, row: int, name: str, seed: int) -> int | None:
        """The note that the copy `name` of a note is layered with, nearest in velocity; None where there is none.

        Instruments come in an order drawn for the copy; those that sound at another pitch than they say are passed by.
        """
        there: Mapping[str, list[int]] = self._there.get(self._key[row], {})
        for one in sorted(there, key=lambda one: fraction(f"{name} with {one}", seed)):
            if one != self._instrument[row]:
                velocity = int(self._velocity[row])
                nearest = min(there[one], key=lambda other: (abs(int(self._velocity[other]) - velocity), other))
                if not self.off_pitch(nearest):
                    return nearest
        return None

    def off_pitch(self, row: int) -> bool:
        """Whether a note of the corpus sounds at another pitch than it says."""
        if row not in self._off:
            pitch = int(self._pitch[row])
            self._off[row] = off_pitch(self.source.waves(row)[0], self.source.sample_rate, None if pitch < 0 else pitch)
        return self._off[row]


def off_pitch(wave: NDArray[np.float32], rate: int, pitch: int | None) -> bool:
    """Whether a sound (sample,) clearly has another pitch than that, by YIN."""
    if pitch is None:
        return False
    hz, sure = yin(wave[None], rate)
    return bool(sure[0] > SURE and abs(12 * math.log2(hz[0] / midi_to_hz(pitch))) > 0.5)


def _generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers that follow from seed and name alone."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest, "big")))
