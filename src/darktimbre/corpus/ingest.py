"""What all importers share: candidates → guarded decoding → notes of a corpus, or rejected files with a reason."""

import functools
import hashlib
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from darktimbre.audio.guarded import guarded_map
from darktimbre.audio.prepare import Excerpt, Prepared, Shape, prepare
from darktimbre.corpus.classes import OTHER, TOGETHER
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.pitches import SOUND
from darktimbre.corpus.splits import spread
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import SEMITONES, hz_to_midi

Progress = Callable[[int, int], None]
"""Called with (files done, files in all), again and again."""

FADE_SECONDS = 0.01  # at the end of what has to be cut
_SURE = 0.5  # confidence from which an estimated pitch is believed
_AGREES = 0.6  # semitones between a pitch and its estimate
_MEASURED = range(33, 99)  # MIDI; the estimate looks no lower and no higher
_LONG = 5  # notes' lengths; of what is longer, using the beginning alone is remarked upon


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may become a note: its name in lists, where (or what) it is, and what is known before it is read."""

    file: str
    source: Path | bytes | Excerpt
    note: Note


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did."""

    corpus: Corpus  # what was written
    # Notes in it; of these were `padded`, `cut`, `lowered` (louder than full scale, so made quieter), `trimmed` (of
    # silence before them) and taken of `one_channel` (those of the file cancel each other)
    accepted: int
    padded: int
    cut: int
    lowered: int
    trimmed: int
    one_channel: int
    rejected: tuple[tuple[str, str], ...]  # (file, reason) of what was not taken; the same list as `rejected.csv`
    ignored: dict[str, int] = field(default_factory=dict)  # what was not even tried, counted by kind
    remarks: tuple[str, ...] = ()  # sentences worth telling

    @property
    def bad_share(self) -> float:
        """Share of what was tried that was rejected."""
        return len(self.rejected) / max(self.accepted + len(self.rejected), 1)


def shape_of(sample_rate: int, seconds: float, estimate_pitch: bool = False, trim: bool = False) -> Shape:
    """The shape of a corpus's sounds. Raises UserError: a rate or length that no corpus can have."""
    if not 1_000 <= sample_rate <= 192_000:
        raise UserError(
            f"A corpus cannot have {sample_rate} samples a second; choose from 1000 to 192000, such as 16000."
        )
    if not 0.01 <= seconds <= 600:
        raise UserError(f"Notes of a corpus cannot be {seconds:g} s long; choose from 0.01 to 600 s, such as 1.")
    return Shape(
        sample_rate=sample_rate,
        samples=round(seconds * sample_rate),
        fade=round(FADE_SECONDS * sample_rate),
        estimate_pitch=estimate_pitch,
        trim=trim,
    )


def ingest(
    writer: CorpusWriter,
    candidates: Iterable[Candidate],
    shape: Shape,
    *,
    total: int,
    workers: int | None = None,
    progress: Progress | None = None,
    complete: Callable[[Note, Prepared], Note] = lambda note, _: note,
) -> None:
    """Decodes candidates in worker processes and writes each into the corpus or the rejected files, in their order.

    Args:
        writer: of the corpus, opened.
        candidates: read only a little ahead of the decoding.
        shape: of the corpus's sounds.
        total: number of candidates, for `progress`.
        workers: processes; as many as processors by default.
        progress: called after every file.
        complete: fills into a note what only its sound shows.
    """
    pending: deque[Candidate] = deque()

    def sources() -> Iterator[Path | bytes | Excerpt]:
        for candidate in candidates:
            # The sound travels to the worker; what waits here for its return is only the description.
            pending.append(replace(candidate, source=b""))
            yield candidate.source

    task: Callable[[Path | bytes | Excerpt], Prepared] = functools.partial(prepare, shape=shape)
    for done, outcome in enumerate(guarded_map(task, sources(), workers=workers), start=1):
        candidate, prepared = pending.popleft(), outcome.value
        if prepared is None:
            writer.reject(candidate.file, outcome.reason or "unknown")
        else:
            note = replace(complete(candidate.note, prepared), seconds=prepared.seconds)
            writer.add(note, prepared.samples)
            _account(writer, candidate.file, prepared, shape.samples / shape.sample_rate)
        if progress is not None:
            progress(done, total)


def _account(writer: CorpusWriter, file: str, prepared: Prepared, seconds: float) -> None:
    """Counts what was done to a sound, and lists it where the file would let one expect something else."""
    if prepared.fit != "exact":
        writer.count(prepared.fit)
    if prepared.lowered:
        writer.count("lowered")
    if prepared.trimmed:
        writer.count("trimmed")
        writer.remark(file, f"{prepared.trimmed:.3g} s of silence before the sound were cut")
    if prepared.one_channel:
        writer.count("one_channel")
        writer.remark(file, "its channels cancel each other; the loudest was taken instead of their mean")
    if prepared.seconds > _LONG * seconds:
        writer.count("long")
        writer.remark(file, f"{prepared.seconds:.4g} s long, {seconds:g} s of it are used")


@dataclass(slots=True)
class Completed:
    """Fills into notes what only their sounds show, and counts how often."""

    estimate_pitch: bool = False
    together: bool = False  # whether the split of a note is decided already, so that a copy takes over the first one's
    sources: Mapping[str, str] = field(default_factory=dict)  # id of a note → where its pitch comes from
    pitches: Counter[str] = field(default_factory=Counter)  # the same of the notes that were taken, counted
    compared: int = 0  # pitches that were compared with the sound
    doubts: list[tuple[str, int, float]] = field(default_factory=list)  # (file, pitch, estimate) that disagree
    copies: int = 0
    # digest of a sound → split key and split of the first such note
    first: dict[bytes, tuple[str, str]] = field(default_factory=dict)

    def __call__(self, note: Note, prepared: Prepared) -> Note:
        digest = hashlib.sha256(prepared.samples.tobytes()).digest()
        key, split = self.first.setdefault(digest, (note.split_key, note.split))
        # A copy under another name: in another split it would be trained on and held out. Notes of an instrument of
        # several stay with it.
        if key != note.split_key and (self.together or note.split_key == note.id):
            self.copies += 1
            note = replace(note, split_key=key, split=split if self.together else note.split)
        source = self.sources.get(note.id, "")
        if self.estimate_pitch and prepared.confidence >= _SURE and not math.isnan(prepared.f0):
            estimate = hz_to_midi(prepared.f0)
            if note.pitch is None:
                source, note = SOUND, replace(note, pitch=min(max(round(estimate), 0), 127))
            elif note.pitch in _MEASURED:
                self.compared += 1
                if abs(estimate - note.pitch) > _AGREES:
                    self.doubts.append((note.origin, note.pitch, estimate))
        if source:
            self.pitches[source] += 1
        return note

    def listed(self) -> list[tuple[str, str]]:
        """(file, remark) of the pitches that disagree with the sound."""
        return [
            (file, f"its pitch is {pitch}, the sound's {estimate:.1f} (MIDI)") for file, pitch, estimate in self.doubts
        ]

    def remarks(self) -> list[str]:
        """Sentences on what the sounds showed."""
        told = []
        if self.pitches[SOUND]:
            told.append(f"The pitch of {self.pitches[SOUND]} notes was estimated.")
        if self.doubts:
            file, pitch, estimate = self.doubts[0]
            told.append(
                f"{len(self.doubts)} of {self.compared} pitches disagree with the sound, such as {file}: {pitch}, "
                f"measured {estimate:.1f}. They are kept; remarks.csv lists them."
            )
            apart, often = Counter(round(estimate - pitch) for _, pitch, estimate in self.doubts).most_common(1)[0]
            if abs(apart) == SEMITONES and 2 * often > self.compared:
                told.append(
                    f"Most sounds lie an octave {'above' if apart > 0 else 'below'} their pitch: names may count "
                    f"another C as MIDI 60 (--middle-c {'C3' if apart > 0 else 'C4'})."
                )
        return told


def spread_styles(candidates: Iterable[Candidate], seed: int = 0) -> list[Candidate]:
    """The candidates with splits: what has one split key in one, each style (else class) in all (`splits.spread`)."""
    candidates = list(candidates)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for note in (candidate.note for candidate in candidates):
        counts[note.split_key][TOGETHER.join(sorted(set(note.styles))) or note.category or OTHER] += 1
    splits = spread(counts, seed)
    return [replace(one, note=replace(one.note, split=splits[one.note.split_key])) for one in candidates]


def summarise(writer: CorpusWriter, ignored: Counter[str], remarks: Iterable[str] = ()) -> Summary:
    """The summary of an import whose writer has finished."""
    counts = writer.counts
    return Summary(
        corpus=writer.corpus,
        accepted=counts["accepted"],
        padded=counts["padded"],
        cut=counts["cut"],
        lowered=counts["lowered"],
        trimmed=counts["trimmed"],
        one_channel=counts["one_channel"],
        rejected=tuple(writer.rejected),
        ignored=dict(sorted(ignored.items())),
        remarks=tuple(remarks),
    )
