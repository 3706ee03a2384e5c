"""Studio On Line and what was made of it (SOL, OrchideaSOL, TinySOL) → corpus: orchestral notes whose names say
instrument, mute, playing technique, pitch and dynamics; the first three become style tags.

    Strings/Violin+sordina/pizzicato_l_vib/Vn+S-pizz_lv-A3-ff-4c-N.wav
    family / instrument + mute / technique / …-pitch-dynamics-string or take-retuning

A note that was never played is a neighbour at another speed ("R100u": one semitone up), so it is the same recording and
stays in its split. TinySOL's table `TinySOL_metadata.csv` says the same in columns, and is believed where it is there.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from darktimbre.corpus.naming import DYNAMICS
from darktimbre.corpus.walk import walk
from darktimbre.corpus.writer import CorpusWriter, Writing, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import parse_note_name

ASPECTS = ("instrument", "technique", "mute")
"""What of a note can become a style tag."""

TABLE = "TinySOL_metadata.csv"

_RESAMPLED = re.compile(r"R(?P<cents>\d+)(?P<way>[ud])")
_COLUMNS = ("Path", "Instrument (in full)", "Technique (in full)", "Pitch ID", "Dynamics")


@dataclass(frozen=True, slots=True)
class SolName:
    """What the path of a file says."""

    family: str  # folder of the instrument family: "Strings"
    instrument: str  # without underscores and mute: "Trumpet C"
    mute: str  # "sordina cup", or empty
    technique: str  # "pizzicato l vib"
    pitch: int | None  # MIDI number; None where it has none, or several (multiphonics)
    dynamics: str  # "mf", or empty
    transposed: int  # semitones by which the recording of another pitch was moved to be this one


def read_sol_name(file: str) -> SolName:
    """Reads a path of at least instrument/technique/file.

    Raises:
        ValueError: it is not named as the files of SOL are; the message says how.
    """
    path = PurePosixPath(file)
    fields = path.stem.split("-")
    folders = path.parts[:-1]
    if len(folders) < 2 or len(fields) < 3:
        raise ValueError("not named as SOL names its files (instrument/technique/Vn-ord-A3-mf-2c-N.wav)")
    instrument, _, mute = folders[-2].partition("+")
    resampled = _RESAMPLED.search(fields[-1])
    moved = 0
    if resampled:
        moved = round(int(resampled["cents"]) / 100) * (1 if resampled["way"] == "u" else -1)
    return SolName(
        family=_plain(folders[-3]) if len(folders) > 2 else "",
        instrument=_plain(instrument),
        mute=_plain(mute),
        technique=_plain(folders[-1]),
        pitch=_pitch(fields[2]),
        dynamics=fields[3] if len(fields) > 3 and fields[3] != "N" else "",
        transposed=moved,
    )


def _plain(name: str) -> str:
    return re.sub(r"[_\s]+", " ", name).strip()


def _pitch(text: str) -> int | None:
    try:
        return parse_note_name(text)
    except ValueError:
        return None  # "N", or "A3_C4" of what sounds several


def import_sol(
    src: Path | str,
    out: Path | str,
    *,
    styles: Sequence[str] = ASPECTS,
    pitched: bool = False,
    sample_rate: int = 16_000,
    seconds: float = 2.0,
    licence: str = "unknown",
    workers: int | None = None,
    progress: Progress | None = None,
    **writing: Unpack[Writing],
) -> Summary:
    """Makes a corpus of a copy of SOL, whole or in part.

    Style tags are a note's instrument, technique and mute, as far as the sounds differ in them ("ordinario" is no style
    of TinySOL, where all is played so). The split is by recording, every style in each part (`splits.spread`).

    Args:
        src: folder with SOL's folders at any depth.
        out: folder of the corpus.
        styles: which of `ASPECTS` become style tags.
        pitched: leave out what has no pitch, or several.
        sample_rate: of the corpus, in Hz.
        seconds: length of every note; shorter sounds are padded, longer ones cut with a fade-out.
        licence: terms of the sounds (TinySOL: CC-BY-4.0; SOL: Ircam's).
        workers: decoding processes; as many as processors by default.
        progress: called with (files done, files in all).
        writing: as `CorpusWriter` takes it.

    Raises:
        UserError: no such folder, nothing in it is named as SOL names it, a table that cannot be read, an unknown
            aspect, or `out` is taken.
    """
    src, out = Path(src), Path(out)
    if not src.is_dir():
        raise UserError(f"There is no folder {src}: name the one that SOL was unpacked into.")
    if unknown := [aspect for aspect in styles if aspect not in ASPECTS]:
        raise UserError(f"SOL knows no {unknown[0]!r} to take as style; choose of {', '.join(ASPECTS)}.")
    shape = shape_of(sample_rate, seconds)
    check_destination(out, writing.get("overwrite", False))
    found = walk(src, leave_out=out)
    table = _table(src)
    named, refused = _named(found.files, table)
    away = len(table.keys() - {PurePosixPath(file).name for file in found.files})
    if pitched:
        refused += [(file, "no single pitch") for file, name in named.items() if name.pitch is None]
        named = {file: name for file, name in named.items() if name.pitch is not None}
    if not named:
        raise UserError(
            f"No sound in {src} is named as SOL names its files (Strings/Violin/ordinario/Vn-ord-A3-mf-2c-N.wav); for "
            "sounds named otherwise there is `darktimbre import folder`."
        )
    writing.setdefault("split", "style")
    candidates = [Candidate(file, src / file, _note(file, name, tags)) for file, name, tags in _tagged(named, styles)]
    if writing["split"] == "style":
        candidates = spread_styles(candidates, writing.get("seed", 0))
    completed = Completed(together=writing["split"] == "style")
    with CorpusWriter(
        out,
        sample_rate=shape.sample_rate,
        samples=shape.samples,
        licence=licence,
        provenance={"importer": "sol", "source": src.resolve().name, "styles": list(styles)},
        **writing,
    ) as writer:
        for file, reason in (*found.refused, *refused):
            writer.reject(file, reason)
        ingest(writer, candidates, shape, total=len(candidates), workers=workers, progress=progress, complete=completed)
    remarks = [f"{away} sounds that {TABLE} names are not in {src}; the others are."] if away else []
    return summarise(writer, found.ignored, remarks)


def _named(files: Sequence[str], table: dict[str, dict[str, str]]) -> tuple[dict[str, SolName], list[tuple[str, str]]]:
    """What is known of each file, from its name and from the table; and the files of which nothing is."""
    named: dict[str, SolName] = {}
    refused: list[tuple[str, str]] = []
    for file in files:
        try:
            name, row = read_sol_name(file), table.get(PurePosixPath(file).name)
            named[file] = _believed(name, row) if row else name
        except ValueError as error:
            refused.append((file, str(error)))
    return named, refused


def _believed(name: SolName, row: dict[str, str]) -> SolName:
    """The name with what a row of the table says in its place."""
    pitch = name.pitch
    if written := row["Pitch ID"].strip():
        pitch = int(written) if written.isdecimal() else -1
        if not 0 <= pitch <= 127:
            raise ValueError(f"{TABLE}: {written!r} is no pitch; it should be 0 to 127")
    return replace(
        name,
        instrument=_plain(row["Instrument (in full)"]) or name.instrument,
        technique=_plain(row["Technique (in full)"]) or name.technique,
        dynamics=row["Dynamics"].strip() or name.dynamics,
        pitch=pitch,
    )


def _table(src: Path) -> dict[str, dict[str, str]]:
    """Rows of TinySOL's table by the file's name, wherever below `src` the table lies; empty where there is none."""
    place = min(src.rglob(TABLE), default=None)
    if place is None:
        return {}
    try:
        with place.open(encoding="utf-8-sig", newline="") as handle:
            rows = [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(handle)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{place} cannot be read as a table ({error}); mend it, or move it away.") from None
    if lacking := [column for column in _COLUMNS if not rows or column not in rows[0]]:
        raise UserError(f"{place} has no column {lacking[0]!r}; take the one that comes with TinySOL, or move it away.")
    return {PurePosixPath(row["Path"].strip()).name: row for row in rows}


def _tagged(named: dict[str, SolName], styles: Sequence[str]) -> Iterator[tuple[str, SolName, tuple[str, ...]]]:
    """Each file with its name and its tags; a tag that all would have tells nothing apart and is none."""
    tags = {file: tuple(tag for aspect in styles if (tag := getattr(name, aspect))) for file, name in named.items()}
    often = Counter(tag for of in tags.values() for tag in set(of))
    for file, name in named.items():
        yield file, name, tuple(tag for tag in tags[file] if often[tag] < len(named) or len(named) == 1)


def _note(file: str, name: SolName, styles: tuple[str, ...]) -> Note:
    played = "/".join(filter(None, (name.instrument, name.mute, name.technique)))
    recorded = None if name.pitch is None else name.pitch - name.transposed
    return Note(
        id=str(PurePosixPath(file).with_suffix("")),
        instrument=" + ".join(filter(None, (name.instrument, name.mute))),
        origin=file,
        seconds=0.0,
        pitch=name.pitch,
        velocity=DYNAMICS.get(name.dynamics),
        family=_family(name),
        source="acoustic",
        category=name.family or None,
        subcategory=name.instrument,
        styles=styles,
        split_key=f"sol:{played}/{PurePosixPath(file).stem if recorded is None else recorded}",
    )


def _family(name: SolName) -> str | None:
    """NSynth's family of an instrument, as far as it comes near one."""
    kind, instrument = name.family.lower(), name.instrument.lower()
    if "flute" in instrument or "piccolo" in instrument:
        return "flute"
    if "guitar" in instrument:
        return "guitar"
    nearest = {"brass": "brass", "strings": "string", "winds": "reed", "woodwinds": "reed", "pluckedstrings": "string"}
    return nearest.get(kind.replace(" ", ""))
