"""Folders of samples as people have them → corpus: what is known of a sound is read from where it lies and its name."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Unpack

from darktimbre.audio import onsets
from darktimbre.audio.guarded import guarded_map
from darktimbre.audio.prepare import Excerpt
from darktimbre.corpus.ingest import (
    Candidate,
    Completed,
    Progress,
    Summary,
    ingest,
    shape_of,
    spread_styles,
    summarise,
)
from darktimbre.corpus.metadata import SPLIT_NAMES, Metadata, composed, read_metadata
from darktimbre.corpus.pitches import TABLE, Known, find_pitches
from darktimbre.corpus.walk import walk
from darktimbre.corpus.writer import CorpusWriter, Writing, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.text import legible

MIDDLE_C = ("C3", "C4")
"""The names of MIDI 60 that a user may state."""

_CUT_SECONDS = 300.0  # that looking for the notes of one recording may take


def import_folder(
    src: Path | str,
    out: Path | str,
    *,
    sample_rate: int = 16_000,
    seconds: float = 1.0,
    estimate_pitch: bool = False,
    middle_c: str = "",
    trim: bool = False,
    cut_notes: bool = False,
    style_columns: Sequence[str] = (),
    licence: str = "unknown",
    workers: int | None = None,
    progress: Progress | None = None,
    **writing: Unpack[Writing],
) -> Summary:
    """Makes a corpus of all sounds below a folder.

    Class and subclass are the first two levels of folders. Pitch comes from `metadata.csv`, else from the root note in
    the file, else from its name (see `naming`), else, on request, from the sound itself. Instrument: as `metadata.csv`
    says; else sounds whose path differs only in pitch, velocity, dynamic, layer, round robin and take are one
    instrument ("keys/Rhodes C3.wav" and "keys/Rhodes E3 v2.wav" are "keys/Rhodes"); a sound whose name has none of
    these is an instrument of its own, since nothing says that "snare 1" and "snare 2" are more alike than other snares.
    The instrument decides the split; a lone sound that equals another to the last bit goes where that one is. With the
    split "style" it is the notes of one pitch of an instrument that stay together, and every style (or class, where
    notes have no style) is in each part as far as it can be.

    Args:
        src: folder of sounds; links are followed, never in circles.
        out: folder of the corpus.
        sample_rate: of the corpus, in Hz.
        seconds: length of every note; shorter sounds are padded, longer ones cut with a fade-out.
        estimate_pitch: measure the pitch: of sounds without a written one (unsure estimates are not kept), and of the
            others to list what disagrees.
        middle_c: "C3" or "C4": the name of MIDI 60 in names and tables. Without it, C4 is, unless numbers or root notes
            in a folder show that another is.
        trim: cut the silence before a sound.
        cut_notes: cut recordings at their onsets, into a note each.
        style_columns: columns of `metadata.csv` whose words become the notes' styles; by default `styles`.
        licence: terms of the sounds.
        workers: decoding processes; as many as processors by default.
        progress: called with (files done, files in all).
        writing: as `CorpusWriter` takes it; a split that is "given" is the column `split` of `metadata.csv`, else the
            folder called train, valid (validation, dev) or test.

    Raises:
        UserError: no such folder, no usable sound in it, a `metadata.csv` that cannot be understood or lacks a column
            of styles, `out` is taken.
    """
    src, out = Path(src), Path(out)
    if not src.is_dir():
        raise UserError(
            f"There is no folder {src}." if not src.exists() else f"{src} is a file; name the folder it lies in."
        )
    if middle_c and middle_c not in MIDDLE_C:
        raise UserError(f"MIDI 60 is called C3 or C4 (--middle-c), not {middle_c!r}.")
    shape = shape_of(sample_rate, seconds, estimate_pitch, trim)
    check_destination(out, writing.get("overwrite", False))
    split = writing.get("split", "instrument")
    found = walk(src, leave_out=out)
    metadata = read_metadata(src, found.metadata, style_columns, middle_c)
    files = found.files
    tabled = {file: row["pitch"] for file in files if "pitch" in (row := metadata.rows.get(composed(file), {}))}
    pitches = find_pitches(src, files, tabled, middle_c)
    candidates, refused = _candidates(src, files, metadata, pitches.known, split)
    sources = {one.note.id: pitches.known[one.file].source for one in candidates}
    recordings = 0
    if cut_notes:
        candidates, recordings = _cut(candidates, sources, workers)
    if split == "style":
        candidates = spread_styles(map(_by_pitch, candidates), writing.get("seed", 0))
    if not candidates and not refused and not found.refused:
        others = f" among its {found.ignored.total()} files" if found.ignored else ""
        raise UserError(
            f"There is no sound in {src}{others}: name a folder that holds sound files (WAV, FLAC, MP3, …)."
        )
    completed = Completed(estimate_pitch, together=split == "style", sources=sources)
    with CorpusWriter(
        out,
        sample_rate=shape.sample_rate,
        samples=shape.samples,
        licence=licence,
        provenance={"importer": "folder", "source": src.resolve().name, "pitch_estimated": estimate_pitch},
        **writing,
    ) as writer:
        for file, reason in (*found.refused, *refused):
            writer.reject(file, reason)
        ingest(writer, candidates, shape, total=len(candidates), workers=workers, progress=progress, complete=completed)
        for file, doubt in (*pitches.doubts, *completed.listed()):
            writer.remark(file, doubt)
        writer.provenance["pitch_sources"] = dict(sorted(completed.pitches.items()))
    remarks = [
        *metadata.remarks,
        *pitches.remarks,
        *completed.remarks(),
        *_remarks(found.other_tables, found.files, split),
    ]
    if metadata.unused:
        remarks.append(f"Columns of metadata.csv that were not understood: {', '.join(sorted(metadata.unused))}.")
    if style_columns and (without := sum(not styles for styles in writer.corpus.column("styles"))):
        remarks.append(f"{without} of {len(writer)} notes have no style.")
    if cut_notes:
        remarks.append(f"Recordings that were cut into several notes: {recordings}.")
    elif long := writer.counts["long"]:
        remarks.append(
            f"Sounds much longer than a note, of which only the first {seconds:g} s are used: {long}. --slice cuts "
            "recordings of several notes at their onsets."
        )
    if any("the sound begins at" in reason for _, reason in writer.rejected):
        remarks.append("Some sounds begin later than half a note; --trim cuts the silence before them.")
    if completed.copies and split in ("instrument", "style"):
        remarks.append(
            f"{completed.copies} sounds are copies of others to the last bit: each lies in the split of the first."
        )
    return summarise(writer, found.ignored, remarks)


def _remarks(tables: list[str], files: list[str], split: str) -> list[str]:
    """Sentences on what lies in the folder and was not used."""
    remarks = []
    if tables:
        remarks.append(
            f"{tables[0]} is not read; a table is called metadata.csv (or .tsv, .jsonl) and has the column file_name."
        )
    tops = {file.split("/", 1)[0] for file in files if "/" in file}
    if split != "given" and len({SPLIT_NAMES[top.lower()] for top in tops if top.lower() in SPLIT_NAMES}) > 1:
        remarks.append(f"The folders {', '.join(sorted(tops))} look like splits; --split given takes them as such.")
    return remarks


def _by_pitch(candidate: Candidate) -> Candidate:
    """The candidate, kept together with the notes of its instrument that have its pitch alone."""
    note = candidate.note
    if note.pitch is None:
        return candidate
    return replace(candidate, note=replace(note, split_key=f"{note.split_key}@{note.pitch}"))


def _candidates(
    src: Path, files: list[str], metadata: Metadata, known: dict[str, Known], split: str
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    named_only = (metadata.rows.keys() | metadata.mistakes.keys()) - set(map(composed, files))
    refused = [(file, f"{metadata.table[file]} names it, but it is not there") for file in sorted(named_only)]
    ids = _ids(files)
    candidates = []
    for file in files:
        if mistake := metadata.mistakes.get(composed(file)):
            refused.append((file, mistake))
            continue
        note = _note(src, file, ids[file], known[file], metadata.rows.get(composed(file), {}), split)
        if split == "given" and not note.split:
            refused.append(
                (file, "no column `split` of a metadata.csv and no folder (train, valid, test) names its split")
            )
            continue
        candidates.append(Candidate(file, src / file, note))
    return candidates, refused


def _note(src: Path, file: str, note_id: str, known: Known, row: dict[str, Any], split: str) -> Note:
    folders = PurePosixPath(legible(file)).parts[:-1]
    given = ""
    if split == "given":  # its folder is no class then
        given = next((SPLIT_NAMES[folder.lower()] for folder in folders if folder.lower() in SPLIT_NAMES), "")
        folders = tuple(folder for folder in folders if folder.lower() not in SPLIT_NAMES)
    named = known.named
    instrument = note_id
    if (known.pitch is not None and known.source != TABLE) or named.marked or named.doubt or named.pitch is not None:
        instrument = "/".join(filter(None, (*folders, legible(named.rest)))) or legible(src.resolve().name)
    fields = {
        "velocity": named.velocity,
        "instrument": instrument or note_id,
        "category": folders[0] if folders else None,
        "subcategory": folders[1] if len(folders) > 1 else None,
        "split": given,
        **row,
        "pitch": known.pitch,
    }
    return Note(id=note_id, origin=legible(file), seconds=0.0, split_key=fields["instrument"], **fields)


def _cut(candidates: list[Candidate], sources: dict[str, str], workers: int | None) -> tuple[list[Candidate], int]:
    """Recordings of several notes as a candidate for each, all of one instrument; how many recordings there were."""
    paths = [one.source for one in candidates if isinstance(one.source, Path)]
    cut: list[Candidate] = []
    recordings = 0
    outcomes = guarded_map(onsets.notes, paths, workers=workers, seconds=_CUT_SECONDS)
    for candidate, outcome in zip(candidates, outcomes, strict=True):
        spans, note = outcome.value or [], candidate.note
        assert isinstance(candidate.source, Path)
        if len(spans) < 2:  # or it cannot be read, which shows later
            cut.append(candidate)
            continue
        recordings += 1
        for number, span in enumerate(spans, start=1):
            place = Excerpt(candidate.source, span.start, span.stop - span.start, last=number == len(spans))
            one = replace(
                note, id=f"{note.id} {number:0{len(str(len(spans)))}d}", origin=f"{note.origin}@{span.start:.2f}s"
            )
            sources[one.id] = sources.get(note.id, "")
            cut.append(Candidate(f"{candidate.file}@{span.start:.2f}s", place, one))
    return cut, recordings


def _ids(files: list[str]) -> dict[str, str]:
    """The path without its extension, unless another file would then have the same id."""
    bare = {file: legible(os.path.splitext(file)[0]) for file in files}
    often = Counter(bare.values())
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for file in files:
        plain = bare[file] if often[bare[file]] == 1 else legible(file)
        unique, number = plain, 2
        while unique in taken:  # "a.wav" beside "a.wav.wav" and the like
            unique, number = f"{plain} ({number})", number + 1
        taken.add(unique)
        ids[file] = unique
    return ids
