"""NSynth (Engel et al. 2017) → corpus: from its unpacked folder, or streamed out of the official archive."""

import json
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Unpack

from darktimbre.corpus.ingest import Candidate, Progress, Summary, ingest, shape_of, summarise
from darktimbre.corpus.writer import CorpusWriter, Writing, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import FAMILIES, SOURCES, Note

PAPER_PITCHES = range(44, 70)
"""The pitches of the DarkGAN paper, MIDI 44 to 69."""
PAPER_SECONDS = 1.0

_LICENCE = "CC-BY-4.0"
_TABLE = "examples.json"
_LARGEST_TABLE = 2 << 30  # bytes; the training part's is about 0.25 GB
_LARGEST_SOUND = 64 << 20  # bytes; a note of NSynth has 128 kB
_FIELDS = ("instrument_str", "instrument_family_str", "instrument_source_str", "pitch", "velocity", "qualities_str")

_Entry = tuple[Any, ...]
_Opened = tuple[str, Path | bytes | None]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where NSynth lies: its table, and its sounds in turn as (stem, where or what it is; None if absurdly large)."""

    table: dict[str, _Entry]
    sounds: Callable[[Collection[str]], Iterator[_Opened]]


def import_nsynth(
    src: Path | str,
    out: Path | str,
    *,
    pitches: tuple[int, int] | None = None,
    families: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    paper: bool = False,
    seconds: float | None = None,
    sample_rate: int = 16_000,
    given: str = "",
    workers: int | None = None,
    progress: Progress | None = None,
    **writing: Unpack[Writing],
) -> Summary:
    """Makes a corpus of NSynth, or of one of its parts.

    NSynth's own parts (train, valid, test) are not used as the split unless `split="given"`: its test instruments
    also occur in valid, and the paper splits at random.

    Args:
        src: folder with `examples.json` and `audio/`, or `nsynth-….jsonwav.tar.gz`, read without unpacking it to disk.
        out: folder of the corpus.
        pitches: lowest and highest MIDI note wanted.
        families: instrument families wanted, of `FAMILIES`.
        sources: sources wanted, of `SOURCES`.
        paper: the paper's subset: MIDI 44 to 69, the first second.
        seconds: length of every note; 4 by default, as NSynth's notes have, or 1 with `paper`.
        sample_rate: of the corpus, in Hz.
        given: "train", "valid" or "test": the part all notes go to with `split="given"`; else the name of `src` says.
        workers: decoding processes; as many as processors by default.
        progress: called with (notes done, notes in all).
        writing: as `CorpusWriter` takes it.

    Raises:
        UserError: `src` is not NSynth, nothing passes the filters, an unknown family or source, `out` is taken.
    """
    src, out = Path(src), Path(out)
    for wanted, known, what in ((families, FAMILIES, "family"), (sources, SOURCES, "source")):
        for one in wanted or ():
            if one not in known:
                raise UserError(f"NSynth has no {what} {one!r}; it has {', '.join(known)}.")
    if paper:
        pitches = pitches or (PAPER_PITCHES.start, PAPER_PITCHES.stop - 1)
    length = seconds if seconds is not None else PAPER_SECONDS if paper else 4.0
    shape = shape_of(sample_rate, length)
    part = (given or _part_of(src)) if writing.get("split") == "given" else ""
    check_destination(out, writing.get("overwrite", False))

    source = _open(src)
    notes, refused = _notes(source.table, part)
    chosen = {
        key: note
        for key, note in notes.items()
        if (pitches is None or (note.pitch is not None and pitches[0] <= note.pitch <= pitches[1]))
        and (not families or note.family in families)
        and (not sources or note.source in sources)
    }
    if not chosen:
        raise UserError(f"None of the {len(source.table)} notes of {src} passes the filters; widen them.")
    ignored = Counter({"outside the filters": len(notes) - len(chosen)} if len(notes) > len(chosen) else {})
    candidates = _candidates(source, chosen, refused, ignored)
    provenance = {
        "importer": "nsynth",
        "source": src.resolve().name,
        "pitches": list(pitches) if pitches else None,
        "families": sorted(families) if families else None,
        "sources": sorted(sources) if sources else None,
    }
    with CorpusWriter(
        out, sample_rate=shape.sample_rate, samples=shape.samples, licence=_LICENCE, provenance=provenance, **writing
    ) as writer:
        ingest(writer, candidates, shape, total=len(chosen), workers=workers, progress=progress)
        for file, reason in refused:
            writer.reject(file, reason)
    return summarise(writer, ignored)


def _notes(table: dict[str, _Entry], part: str) -> tuple[dict[str, Note], list[tuple[str, str]]]:
    """The table's notes by key, and (file, reason) of those it describes wrongly."""
    notes, refused = {}, []
    for key, entry in table.items():
        try:
            notes[key] = _note(key, entry, part)
        except (TypeError, ValueError) as error:
            refused.append((f"audio/{key}.wav", f"{_TABLE}: {error}"))
    return notes, refused


def _candidates(
    source: _Source, chosen: dict[str, Note], refused: list[tuple[str, str]], ignored: Counter[str]
) -> Iterator[Candidate]:
    """The chosen notes whose sounds are found; what else turns up is counted, and what is missing is refused."""
    missing = set(chosen)
    for key, sound in source.sounds(chosen):
        if key not in source.table:
            ignored[f"not in {_TABLE}"] += 1
        elif key in missing:
            missing.discard(key)
            if sound is None:
                refused.append((f"audio/{key}.wav", "larger than any note of NSynth"))
            else:
                yield Candidate(f"audio/{key}.wav", sound, chosen[key])
    refused += [(f"audio/{key}.wav", f"{_TABLE} names it, but it is not there") for key in sorted(missing)]


def _note(key: str, entry: _Entry, part: str) -> Note:
    instrument, family, source, pitch, velocity, qualities = entry
    if not isinstance(instrument, str) or not instrument:
        raise ValueError("no instrument_str")
    for value, low, what in ((pitch, 0, "pitch"), (velocity, 0, "velocity")):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= 127:
            raise ValueError(f"{value!r} is no {what}")
    if family not in FAMILIES or source not in SOURCES:
        raise ValueError(f"family {family!r} or source {source!r} is not one of NSynth's")
    return Note(
        id=key,
        instrument=instrument,
        origin=f"audio/{key}.wav",
        seconds=0.0,
        pitch=pitch,
        velocity=velocity or None,
        family=family,
        source=source,
        tags=tuple(str(quality) for quality in qualities or ()),
        split_key=instrument,
        split=part,
    )


def _part_of(src: Path) -> str:
    for part in ("train", "valid", "test"):
        if f"nsynth-{part}" in src.resolve().name:
            return part
    raise UserError(f"The name {src.name!r} does not say which part of NSynth it is; add --given train, valid or test.")


def _open(src: Path) -> _Source:
    if src.is_dir():
        table = src / _TABLE
        if not table.is_file():
            below = [child.name for child in sorted(src.iterdir()) if (child / _TABLE).is_file()]
            hint = f" Did you mean {src / below[0]}?" if below else " It should lie beside the folder audio/."
            raise UserError(f"There is no {_TABLE} in {src}.{hint}")
        try:
            text = table.read_bytes()
        except OSError as error:
            raise UserError(f"{table} cannot be read: {error.strerror}.") from None
        return _Source(_parse(text, table), lambda chosen: _from_folder(src / "audio", chosen))
    if not src.is_file():
        raise UserError(f"There is no folder and no archive {src}.")
    # The table may come before or after the sounds; a pass that stops at it costs at most one reading of the archive.
    with _members(src) as (archive, members):
        for member in members:
            if PurePosixPath(member.name).name == _TABLE and member.isfile():
                if member.size > _LARGEST_TABLE:
                    raise UserError(f"{_TABLE} in {src} claims {member.size} bytes; this is not NSynth.")
                handle = archive.extractfile(member)
                return _Source(_parse(handle.read() if handle else b"", src), lambda _: _from_archive(src))
    raise UserError(f"There is no {_TABLE} in {src}; use the archives called nsynth-….jsonwav.tar.gz.")


def _parse(text: bytes, where: Path) -> dict[str, _Entry]:
    def shrink(pairs: dict[str, Any]) -> Any:
        # Called for each inner object first: 300,000 full entries would need gigabytes.
        return tuple(pairs.get(name) for name in _FIELDS) if "note_str" in pairs or "pitch" in pairs else pairs

    try:
        table = json.loads(text, object_hook=shrink)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{_TABLE} of {where} is damaged ({error}); get it again.") from None
    if not isinstance(table, dict) or not all(isinstance(entry, tuple) for entry in table.values()):
        raise UserError(f"{_TABLE} of {where} is not NSynth's table of notes.")
    return table


def _from_folder(audio: Path, chosen: Collection[str]) -> Iterator[_Opened]:
    present = {file.stem for file in audio.iterdir() if file.suffix == ".wav"} if audio.is_dir() else set()
    for key in sorted(present.difference(chosen)):
        yield key, audio / f"{key}.wav"
    for key in chosen:
        if key in present:
            yield key, audio / f"{key}.wav"


def _from_archive(src: Path) -> Iterator[_Opened]:
    with _members(src) as (archive, members):
        for member in members:
            path = PurePosixPath(member.name)
            if member.isfile() and path.suffix == ".wav":
                if member.size > _LARGEST_SOUND:
                    yield path.stem, None
                else:
                    handle = archive.extractfile(member)
                    yield path.stem, handle.read() if handle else b""


@contextmanager
def _members(src: Path) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """The archive, opened as a stream: members come once, in order, and nothing is kept of those that have passed."""

    def one_by_one(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        while (member := archive.next()) is not None:
            yield member
            vars(archive)["members"] = []  # else 300,000 descriptions pile up

    try:
        with tarfile.open(src, mode="r|*") as archive:
            yield archive, one_by_one(archive)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"The archive {src} is damaged or no archive ({error}); get it again.") from None
