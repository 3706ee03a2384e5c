"""SoundFonts → corpora whose notes have style tags: grids of timbre × playing technique × note, split by recording.

A grid is data (`data/grids.toml`): cells of presets that share their tags, and the range of the real instrument.
Neighbouring keys of a preset play one recording at different speeds, presets share recordings ("slow" strings are the
sustained part of "fast" ones), and SoundFonts share ancestors; so the unit that a split never divides is the recording,
and recordings are spread such that every cell has train, valid and test notes (`splits.spread`).
"""

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Unpack

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.presets import Place, Preset, installed_soundfonts, read_table, recordings
from darktimbre.corpus.soundfont import Job, Progress, check_playing, identity, pitched_note, play_into, take_of
from darktimbre.corpus.splits import spread
from darktimbre.corpus.writer import Writing, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import octave_of

_PACKAGES = {"MuseScore_General": "musescore-general-soundfont", "FluidR3_GM": "fluid-soundfont-gm"}

# "VlnsPzz_D5_v1_r2eL" is the left channel of a copy, cut for higher keys, of the second take of "VlnsPzz_D5_v1", which
# is too near the first to be held out from it; "Violin B4(L)" is the "Violin B4" of another SoundFont.
_CHANNEL, _COPY = re.compile(r"(?:\([LR]\)|(?<=[\d a-z])[LR])$"), re.compile(r"(?<=_[vr]\d)[a-f]$")
_TAKE = re.compile(r"(?<=_r)\d$")


@dataclass(frozen=True, slots=True)
class Cell:
    """Presets of one set of recordings that share their tags."""

    tags: tuple[str, ...]
    keys: range  # of the real instrument
    presets: dict[str, tuple[tuple[int, int], ...]]  # start of a SoundFont's file name → (bank, program)
    velocities: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A corpus of styles as a table."""

    name: str
    about: str
    seconds: float  # length of a note
    hold: float  # seconds until its key is let go
    gain: float  # FluidSynth's master gain
    cells: tuple[Cell, ...]

    @property
    def soundfonts(self) -> tuple[str, ...]:
        """Starts of the names of the SoundFonts it takes, sorted."""
        return tuple(sorted({font for cell in self.cells for font in cell.presets}))


def grids() -> dict[str, Grid]:
    """The grids that come with the package, by name."""
    return read_grids(files("darktimbre.corpus").joinpath("data/grids.toml").read_text(encoding="utf-8"))


def read_grids(text: str) -> dict[str, Grid]:
    """Grids written as `data/grids.toml` is."""
    return {name: _grid(name, table) for name, table in tomllib.loads(text).items()}


def _grid(name: str, table: dict[str, Any]) -> Grid:
    cells = []
    for cell in table["cells"]:
        low, high = cell["keys"]
        presets = {font: tuple(_preset(place) for place in places) for font, places in cell["presets"].items()}
        velocities = tuple(cell.get("velocities", table["velocities"]))
        cells.append(Cell(tuple(sorted(cell["tags"])), range(low, high + 1), presets, velocities))
    return Grid(name, table["about"], table["seconds"], table["hold"], table["gain"], tuple(cells))


def _preset(place: str) -> tuple[int, int]:
    bank, program = place.split(":")
    return int(bank), int(program)


def render_grid(
    out: Path | str,
    grid: Grid,
    soundfonts: Sequence[Path | str] | None = None,
    *,
    pitches: Sequence[int] | None = None,
    velocities: Sequence[int] | None = None,
    seconds: float | None = None,
    hold: float | None = None,
    sample_rate: int = 16_000,
    gain: float | None = None,
    licence: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **writing: Unpack[Writing],
) -> Corpus:
    """Plays a grid into a corpus whose notes have style tags; the same arguments always give the same digest.

    What a split never divides is a recording. Notes equal to the last bit are kept once.

    Args:
        out: the corpus folder to make.
        grid: one of `grids()`.
        soundfonts: files to look for the grid's SoundFonts in; by default those that the system has.
        pitches: MIDI notes to keep of the grid's ranges; all by default.
        velocities: MIDI velocities in place of the grid's.
        seconds: length of every note in place of the grid's.
        hold: seconds until the key is let go, in place of the grid's share of the length.
        sample_rate: of the corpus, in Hz.
        gain: FluidSynth's master gain in place of the grid's.
        licence: terms of the sounds; by default what is known of the SoundFonts.
        workers: processes; by default one a core.
        progress: called with (notes done, notes in all).
        writing: as `CorpusWriter` takes it; the split is always by recording.

    Raises:
        UserError: FluidSynth or a SoundFont is missing, an argument is out of range, or `out` is taken.
    """
    out = Path(out)
    check_destination(out, writing.get("overwrite", False))
    fonts = find_soundfonts(grid, soundfonts)
    seconds = grid.seconds if seconds is None else seconds
    gain = grid.gain if gain is None else gain
    check_playing(pitches or (), velocities or (), seconds, sample_rate, hold, gain)
    take = take_of(seconds, sample_rate, grid.hold / grid.seconds * seconds if hold is None else hold, gain)
    planned = notes_of(
        grid, fonts, pitches=pitches, velocities=velocities, seconds=seconds, seed=writing.get("seed", 0)
    )
    notes = {note.id: note for _, of in planned for note in of}
    writing["split"] = "style"
    recordings_played = len({note.split_key for note in notes.values()})
    provenance = {"grid": grid.name, "about": grid.about, "recordings": recordings_played}
    return play_into(
        out, [fonts[font] for font in grid.soundfonts], [job for job, _ in planned], take,
        lambda job, key, velocity: notes[identity(job, key, velocity)["id"]],
        provenance=provenance, licence=licence, workers=workers, distinct=True, progress=progress,
        **writing,
    )  # fmt: skip


def notes_of(
    grid: Grid,
    fonts: dict[str, Path],
    *,
    pitches: Sequence[int] | None = None,
    velocities: Sequence[int] | None = None,
    seconds: float = 1.0,
    seed: int = 0,
) -> list[tuple[Job, list[Note]]]:
    """What each preset of a grid is to play, and the notes that this makes, with their splits; arguments as above.

    Raises:
        UserError: a SoundFont lacks a preset of the grid, or no note is left.
    """
    jobs = list(_jobs(grid, fonts, pitches, velocities))
    if not jobs:
        raise UserError(f"No instrument of the grid {grid.name} has one of the pitches requested.")
    recorded = _recordings(grid, fonts)
    splits = spread(_counts(grid, jobs, recorded), seed)

    def note(job: Job, cell: Cell, key: int, velocity: int) -> Note:
        recording = _recording(recorded, (Path(job.file).stem, job.preset.bank, job.preset.program, key))
        return pitched_note(
            job, key, velocity, seconds=seconds, styles=cell.tags, split_key=f"recording:{recording}",
            split=splits[recording],
        )  # fmt: skip

    return [(job, [note(job, grid.cells[number], *played) for played in job.keys]) for number, job in jobs]


def find_soundfonts(grid: Grid, soundfonts: Sequence[Path | str] | None = None) -> dict[str, Path]:
    """The file of each SoundFont that a grid takes, by the start of its name.

    Raises:
        UserError: one is missing; the sentence says which package brings it.
    """
    given = installed_soundfonts() if soundfonts is None else [Path(file) for file in soundfonts]
    found: dict[str, Path] = {}
    for font in grid.soundfonts:
        file = next((file for file in given if file.stem.startswith(font)), None)
        if file is None:
            package = _PACKAGES.get(font)
            remedy = f"`apt install {package}` brings it" if package else "name its file with --soundfont"
            raise UserError(f"The grid {grid.name} takes the SoundFont {font}, which is not there: {remedy}.")
        found[font] = file
    return found


def _jobs(
    grid: Grid, fonts: dict[str, Path], pitches: Sequence[int] | None, velocities: Sequence[int] | None
) -> Iterator[tuple[int, Job]]:
    """(number of the cell, job), SoundFont by SoundFont, since loading one takes long."""
    for font in grid.soundfonts:
        listed = {(preset.bank, preset.program): preset for preset in read_table(fonts[font]).presets}
        for number, cell in enumerate(grid.cells):
            keys = [key for key in cell.keys if pitches is None or key in pitches]
            played = [(key, velocity) for key in keys for velocity in sorted(set(velocities or cell.velocities))]
            for place in cell.presets.get(font, ()) if played else ():
                yield number, Job(str(fonts[font]), _listed(listed, place, fonts[font]), played)


def _listed(listed: dict[tuple[int, int], Preset], place: tuple[int, int], file: Path) -> Preset:
    if place not in listed:
        raise UserError(f"{file} has no preset {place[0]}:{place[1]}, so it is not the SoundFont that the grid takes.")
    return listed[place]


def _places(job: Job) -> Iterator[Place]:
    for key, _ in job.keys:
        yield Path(job.file).stem, job.preset.bank, job.preset.program, key


def _counts(grid: Grid, jobs: list[tuple[int, Job]], recorded: dict[Place, str]) -> dict[str, Counter[str]]:
    """Recording → what it should be spread over → number of its notes: over the cells, and over the part of each cell
    that lies in the octaves all styles share, since that is where styles are compared."""
    octaves: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, job in jobs:
        octaves[grid.cells[number].tags] |= {octave_of(key) for key, _ in job.keys}
    shared = set.intersection(*octaves.values())
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for number, job in jobs:
        for place in _places(job):
            counts[_recording(recorded, place)][f"cell {number}"] += 1
            if octave_of(place[-1]) in shared:
                counts[_recording(recorded, place)][f"cell {number} where all play"] += 1
    return counts


def _recording(recorded: dict[Place, str], place: Place) -> str:
    return recorded.get(place, ":".join(map(str, place)))  # a key without a recording is silent


def _recordings(grid: Grid, fonts: dict[str, Path]) -> dict[Place, str]:
    """The recording of each place of a grid. It depends on the whole grid, not on the notes requested."""
    cells = [
        [(fonts[font].stem, *place) for font, places in cell.presets.items() for place in places] for cell in grid.cells
    ]
    presets = {preset for cell in cells for preset in cell}
    return recordings(
        [fonts[font] for font in grid.soundfonts],
        lambda font, bank, program: (font, bank, program) in presets,
        spelled=lambda name: _TAKE.sub("1", _COPY.sub("", _CHANNEL.sub("", name).strip())),
        together=[
            [(*preset, key) for preset in cell] for cell, of in zip(cells, grid.cells, strict=True) for key in of.keys
        ],
    )
