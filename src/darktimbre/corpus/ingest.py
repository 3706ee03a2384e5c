"""What all importers share: candidates → guarded decoding → notes of a corpus, or rejected files with a reason."""

import functools
import hashlib
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from darktimbre.audio.guarded import guarded_map
from darktimbre.audio.prepare import Prepared, Shape, prepare
from darktimbre.corpus.classes import OTHER, TOGETHER
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import spread
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import hz_to_midi

Progress = Callable[[int, int], None]
"""Called with (files done, files in all), again and again."""

FADE_SECONDS = 0.01  # at the end of what has to be cut
_SURE = 0.5  # confidence from which an estimated pitch is believed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may become a note: its name in lists, where (or what) it is, and what is known before it is read."""

    file: str
    source: Path | bytes
    note: Note


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did."""

    corpus: Corpus  # what was written
    accepted: int  # notes in it; of these were `padded`, `cut` and `lowered` (louder than full scale, so made quieter)
    padded: int
    cut: int
    lowered: int
    rejected: tuple[tuple[str, str], ...]  # (file, reason) of what was not taken; the same list as `quarantine.csv`
    ignored: dict[str, int] = field(default_factory=dict)  # what was not even tried, counted by kind
    remarks: tuple[str, ...] = ()  # sentences worth telling

    @property
    def bad_share(self) -> float:
        """Share of what was tried that was rejected."""
        return len(self.rejected) / max(self.accepted + len(self.rejected), 1)


def shape_of(sample_rate: int, seconds: float, estimate_pitch: bool = False) -> Shape:
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

    def sources() -> Iterator[Path | bytes]:
        for candidate in candidates:
            # The sound travels to the worker; what waits here for its return is only the description.
            pending.append(replace(candidate, source=b""))
            yield candidate.source

    task: Callable[[Path | bytes], Prepared] = functools.partial(prepare, shape=shape)
    for done, outcome in enumerate(guarded_map(task, sources(), workers=workers), start=1):
        candidate, prepared = pending.popleft(), outcome.value
        if prepared is None:
            writer.reject(candidate.file, outcome.reason or "unknown")
        else:
            note = replace(complete(candidate.note, prepared), seconds=prepared.seconds)
            writer.add(note, prepared.samples)
            if prepared.fit != "exact":
                writer.count(prepared.fit)
            if prepared.lowered:
                writer.count("lowered")
        if progress is not None:
            progress(done, total)


@dataclass(slots=True)
class Completed:
    """Fills into notes what only their sounds show, and counts how often."""

    estimate_pitch: bool = False
    together: bool = False  # whether the split of a note is decided already, so that a copy takes over the first one's
    estimated: int = 0
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
        unsure = prepared.confidence < _SURE or math.isnan(prepared.f0)
        if note.pitch is not None or not self.estimate_pitch or unsure:
            return note
        self.estimated += 1
        return replace(note, pitch=min(max(round(hz_to_midi(prepared.f0)), 0), 127))


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
        rejected=tuple(writer.rejected),
        ignored=dict(sorted(ignored.items())),
        remarks=tuple(remarks),
    )
