"""Folders of samples as people have them → corpus: what is known of a sound is read from where it lies and its name."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Unpack

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
from darktimbre.corpus.metadata import Metadata, read_metadata
from darktimbre.corpus.naming import Named, read_names
from darktimbre.corpus.walk import walk
from darktimbre.corpus.writer import CorpusWriter, Writing, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note


def import_folder(
    src: Path | str,
    out: Path | str,
    *,
    sample_rate: int = 16_000,
    seconds: float = 1.0,
    estimate_pitch: bool = False,
    style_columns: Sequence[str] = (),
    licence: str = "unknown",
    workers: int | None = None,
    progress: Progress | None = None,
    **writing: Unpack[Writing],
) -> Summary:
    """Makes a corpus of all sounds below a folder.

    Class and subclass are the first two levels of folders. Pitch and velocity come from `metadata.csv`, else from the
    file name (see `naming`), else, on request, from the sound itself. Instrument: as `metadata.csv` says; else notes
    whose path differs only in pitch, velocity and layer are one instrument ("keys/Rhodes C3.wav" and "keys/Rhodes
    E3.wav" are "keys/Rhodes"); a sound without a written pitch is an instrument of its own, since nothing says that
    "snare 1" and "snare 2" are more alike than other snares. The instrument decides the split; a lone sound that equals
    another to the last bit goes where that one is. With the split "style" it is the notes of one pitch of an instrument
    that stay together, and every style (or class, where notes have no style) is in each part as far as it can be.

    Args:
        src: folder of sounds; links are followed, never in circles.
        out: folder of the corpus.
        sample_rate: of the corpus, in Hz.
        seconds: length of every note; shorter sounds are padded, longer ones cut with a fade-out.
        estimate_pitch: measure the pitch of sounds whose name has none; unsure estimates are not kept.
        style_columns: columns of `metadata.csv` whose words become the notes' styles; by default `styles`.
        licence: terms of the sounds.
        workers: decoding processes; as many as processors by default.
        progress: called with (files done, files in all).
        writing: as `CorpusWriter` takes it; a split that is "given" is the column `split` of `metadata.csv`.

    Raises:
        UserError: no such folder, no usable sound in it, a `metadata.csv` that cannot be understood or lacks a column
            of styles, `out` is taken.
    """
    src, out = Path(src), Path(out)
    if not src.is_dir():
        raise UserError(
            f"There is no folder {src}." if not src.exists() else f"{src} is a file; name the folder it lies in."
        )
    shape = shape_of(sample_rate, seconds, estimate_pitch)
    check_destination(out, writing.get("overwrite", False))
    split = writing.get("split", "instrument")
    found = walk(src, leave_out=out)
    metadata = read_metadata(src, found.metadata, style_columns)
    candidates, refused = _candidates(src, found.files, metadata, split)
    if split == "style":
        candidates = spread_styles(map(_by_pitch, candidates), writing.get("seed", 0))
    if not candidates and not refused and not found.refused:
        others = f" among its {found.ignored.total()} files" if found.ignored else ""
        raise UserError(
            f"There is no sound in {src}{others}: name a folder that holds sound files (WAV, FLAC, MP3, …)."
        )
    completed = Completed(estimate_pitch, together=split == "style")
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
    remarks = []
    if metadata.unused:
        remarks.append(f"Columns of metadata.csv that were not understood: {', '.join(sorted(metadata.unused))}.")
    if style_columns and (without := sum(not styles for styles in writer.corpus.column("styles"))):
        remarks.append(f"{without} of {len(writer)} notes have no style.")
    if estimate_pitch:
        remarks.append(f"The pitch of {completed.estimated} of {len(writer)} notes was estimated.")
    if completed.copies and split in ("instrument", "style"):
        remarks.append(
            f"{completed.copies} sounds are copies of others to the last bit: each lies in the split of the first."
        )
    return summarise(writer, found.ignored, remarks)


def _by_pitch(candidate: Candidate) -> Candidate:
    """The candidate, kept together with the notes of its instrument that have its pitch alone."""
    note = candidate.note
    if note.pitch is None:
        return candidate
    return replace(candidate, note=replace(note, split_key=f"{note.split_key}@{note.pitch}"))


def _candidates(
    src: Path, files: list[str], metadata: Metadata, split: str
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    named_only = (metadata.rows.keys() | metadata.mistakes.keys()) - set(files)
    refused = [(file, "metadata.csv names it, but it is not there") for file in sorted(named_only)]
    ids = _ids(files)
    candidates = []
    for file, named in _names(files).items():
        if file in metadata.mistakes:
            refused.append((file, metadata.mistakes[file]))
            continue
        note = _note(file, ids[file], named, metadata)
        if split == "given" and not note.split:
            refused.append((file, "metadata.csv names no split for it"))
            continue
        candidates.append(Candidate(file, src / file, note))
    return candidates, refused


def _note(file: str, note_id: str, named: Named, metadata: Metadata) -> Note:
    folders = PurePosixPath(_legible(file)).parts[:-1]
    instrument = "/".join(filter(None, (*folders, _legible(named.rest)))) if named.pitch is not None else note_id
    fields = {
        "pitch": named.pitch,
        "velocity": named.velocity,
        "instrument": instrument or note_id,
        "category": folders[0] if folders else None,
        "subcategory": folders[1] if len(folders) > 1 else None,
        **metadata.rows.get(file, {}),
    }
    return Note(id=note_id, origin=_legible(file), seconds=0.0, split_key=fields["instrument"], **fields)


def _names(files: list[str]) -> dict[str, Named]:
    """What each file's name says, read together with the names beside it."""
    folders: dict[str, list[str]] = defaultdict(list)
    for file in files:
        folders[os.path.dirname(file)].append(file)
    read: dict[str, Named] = {}
    for beside in folders.values():
        names = read_names(PurePosixPath(file).stem for file in beside)
        read |= {file: names[PurePosixPath(file).stem] for file in beside}
    return {file: read[file] for file in files}


def _ids(files: list[str]) -> dict[str, str]:
    """The path without its extension, unless another file would then have the same id."""
    bare = {file: _legible(os.path.splitext(file)[0]) for file in files}
    often = Counter(bare.values())
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for file in files:
        plain = bare[file] if often[bare[file]] == 1 else _legible(file)
        unique, number = plain, 2
        while unique in taken:  # "a.wav" beside "a.wav.wav" and the like
            unique, number = f"{plain} ({number})", number + 1
        taken.add(unique)
        ids[file] = unique
    return ids


def _legible(path: str) -> str:
    """A file name need not be valid text; stray bytes are written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
