"""SoundFonts → corpus: every preset × key × velocity played by FluidSynth, dry, in parallel, the same on every run."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from darktimbre.audio.download import sha256
from darktimbre.audio.guarded import processors
from darktimbre.audio.workers import pool
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.fluid import FluidSynth, Played, Take, load_library
from darktimbre.corpus.general_midi import DRUM_BANK, DRUM_CLASSES, DRUMS, PROGRAMS, drum
from darktimbre.corpus.plan import plan
from darktimbre.corpus.presets import (
    Place,
    Preset,
    installed_soundfonts,
    licence_of,
    list_presets,
    read_table,
    recordings,
)
from darktimbre.corpus.writer import CorpusWriter, Writing, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

__all__ = [
    "DEFAULT_GAIN", "KIT_VELOCITIES", "PITCHES", "VELOCITIES", "Job", "check_playing", "identity",
    "installed_soundfonts", "list_presets", "pitched_note", "play_into", "render_kits", "render_soundfont", "take_of",
]  # fmt: skip

DEFAULT_GAIN = 0.8
"""FluidSynth's master gain at which no note of the General MIDI banks at hand passes full scale."""

PITCHES = tuple(range(44, 70))
"""The paper's pitch classes: MIDI 44 to 69."""

VELOCITIES = (50, 90, 120)
KIT_VELOCITIES = (40, 70, 100, 127)
_FADE_SECONDS = 0.01

Progress = Callable[[int, int], None]
Describe = Callable[["Job", int, int], Note]
"""(job, key, velocity) → the note it makes."""


@dataclass(frozen=True, slots=True)
class Job:
    """One preset of one SoundFont, and the (key, velocity) pairs to play on it."""

    file: str
    preset: Preset
    keys: list[tuple[int, int]]


_synths: dict[tuple[str, Take], FluidSynth] = {}  # of this worker process: loading a SoundFont takes longer than a note


def _play(job: Job, take: Take) -> Played:
    key = (job.file, take)
    if key not in _synths:
        for synth in _synths.values():  # jobs come file by file, so the one before is done
            synth.close()
        _synths.clear()
        _synths[key] = FluidSynth(job.file, take)
    return _synths[key].play(job.preset.bank, job.preset.program, job.keys)


def _played(jobs: Sequence[Job], take: Take, workers: int) -> Iterator[tuple[Job, Played]]:
    """The jobs with their sounds, in the jobs' order whatever the number of workers."""
    if workers == 1:
        for job in jobs:
            yield job, _play(job, take)
        for synth in _synths.values():
            synth.close()
        _synths.clear()
        return
    waiting: deque[tuple[Job, Future[Played]]] = deque()
    players = pool(workers)
    try:
        for job in jobs:
            waiting.append((job, players.submit(_play, job, take)))
            if len(waiting) > 3 * workers:  # enough to keep all busy, few enough to fit in memory
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    except BrokenProcessPool:
        raise UserError(f"FluidSynth crashed while it played {jobs[0].file}; is the SoundFont whole?") from None
    finally:
        players.shutdown(wait=True, cancel_futures=True)


def identity(job: Job, key: int, velocity: int) -> dict[str, Any]:
    """The fields of a note that only say where it comes from."""
    stem, bank, program = Path(job.file).stem, job.preset.bank, job.preset.program
    return {
        "id": f"{stem}_{bank:03d}-{program:03d}-{key:03d}-{velocity:03d}",
        "velocity": velocity,
        "origin": f"{stem}:{bank}:{program}",
    }


def _describe(job: Job, key: int, velocity: int, seconds: float, drums: dict[Place, str]) -> Note:
    """`drums`: the recordings of drum kits (see `presets.recordings`)."""
    stem, preset = Path(job.file).stem, job.preset
    bank, program = preset.bank, preset.program
    if bank == DRUM_BANK:  # on a drum kit a key is an instrument, and kits share most of theirs
        recording = drums.get((stem, bank, program, key), f"{program}:{key}")
        what = drum(program, key)
        category, subcategory = DRUM_CLASSES.get(what, ("drums", what))
        return Note(
            **identity(job, key, velocity),
            seconds=seconds,
            instrument=f"{stem}:{recording}",
            source="acoustic",
            category=category,
            subcategory=subcategory,
            tags=(preset.name, what) if preset.name else (what,),
            split_key=f"drum:{recording}",
        )
    # Not the file: banks share ancestors, so the twin of a held-out preset must be held out with it.
    return pitched_note(job, key, velocity, seconds=seconds, split_key=f"gm:{bank:03d}:{program:03d}")


def pitched_note(job: Job, key: int, velocity: int, **rest: Any) -> Note:
    """The note that a preset makes, as General MIDI describes its program; `rest`: the other fields of `Note`."""
    stem, bank, program = Path(job.file).stem, job.preset.bank, job.preset.program
    general = PROGRAMS[program]
    return Note(
        **identity(job, key, velocity),
        pitch=key,
        instrument=f"{stem}:{bank:03d}:{program:03d}",
        family=general.family,
        source=general.source,
        category=general.group,
        subcategory=general.name,
        tags=(job.preset.name,) if job.preset.name else (),
        **rest,
    )


def _choose(
    files: Sequence[Path], banks: Sequence[int] | None, programs: Sequence[int] | None
) -> list[tuple[Path, Preset]]:
    stems = [file.stem for file in files]
    if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
        raise UserError(
            f"Two SoundFonts are called {twice}; rename one, since instruments are known by their file's name."
        )
    chosen = [
        (file, preset)
        for file in files
        for preset in list_presets(file)
        if (banks is None or preset.bank in banks) and (programs is None or preset.program in programs)
    ]
    if not chosen:
        raise UserError(
            f"{', '.join(file.name for file in files) or 'No SoundFont'} has none of the banks and programs requested."
        )
    return chosen


def render_soundfont(
    out: Path | str,
    soundfonts: Sequence[Path | str],
    *,
    banks: Sequence[int] | None = None,
    programs: Sequence[int] | None = None,
    pitches: Sequence[int] = PITCHES,
    velocities: Sequence[int] = VELOCITIES,
    seconds: float = 1.0,
    sample_rate: int = 16_000,
    hold: float | None = None,
    gain: float = DEFAULT_GAIN,
    limit: int | None = None,
    licence: str | None = None,
    workers: int | None = None,
    distinct: bool = False,
    progress: Progress | None = None,
    **writing: Unpack[Writing],
) -> Corpus:
    """Plays the presets of SoundFonts into a corpus; the same arguments always give the same digest.

    Args:
        out: the corpus folder to make.
        soundfonts: `.sf2` or `.sf3` files.
        banks: bank numbers, all that are there by default (128 holds drum kits).
        programs: program numbers, all by default.
        pitches: MIDI notes; on a drum kit the same numbers choose the drums.
        velocities: MIDI velocities.
        seconds: length of every note; its last 10 ms fade out.
        sample_rate: of the corpus, in Hz.
        hold: seconds before the key is let go; by default it is held to the end.
        gain: FluidSynth's master gain. Levels of notes keep their relation; one louder than full scale is turned down.
        limit: at most so many notes, evenly over presets, pitches and velocities (`plan.plan`).
        licence: terms of the sounds; by default what is known of the SoundFonts.
        workers: processes; by default one a core.
        distinct: keep of notes that are equal to the last bit the first alone.
        progress: called with (notes done, notes in all).
        writing: as `CorpusWriter` takes it.

    Returns:
        The finished corpus. `meta["counts"]` says how many notes were "silent" or "twins" (listed in rejected.csv,
        not kept) and "turned_down".

    Raises:
        UserError: FluidSynth is missing, a file is no SoundFont, an argument is out of range, or `out` is taken.
    """
    out, files = Path(out), [Path(file) for file in soundfonts]
    check_playing(pitches, velocities, seconds, sample_rate, hold, gain)
    check_destination(out, writing.get("overwrite", False))
    chosen = _choose(files, banks, programs)
    take = take_of(seconds, sample_rate, hold, gain)
    plans = plan(len(chosen), pitches, velocities, limit)
    jobs = [Job(str(file), preset, keys) for (file, preset), keys in zip(chosen, plans, strict=True) if keys]
    drums = recordings(files) if any(preset.bank == DRUM_BANK for _, preset in chosen) else {}
    return play_into(
        out, files, jobs, take, lambda job, key, velocity: _describe(job, key, velocity, seconds, drums),
        licence=licence, workers=workers, distinct=distinct, progress=progress,
        provenance={
            "pitches": sorted(set(pitches)), "velocities": sorted(set(velocities)), "presets": len(chosen),
            "limit": limit,
        },
        **writing,
    )  # fmt: skip


def take_of(seconds: float, sample_rate: int, hold: float | None, gain: float) -> Take:
    """How notes of `seconds` are played whose key is let go after `hold` seconds, by default at the end."""
    samples = round(seconds * sample_rate)
    held = samples if hold is None else min(samples, round(hold * sample_rate))
    return Take(sample_rate, samples, held, min(samples, round(_FADE_SECONDS * sample_rate)), gain)


def play_into(
    out: Path,
    files: Sequence[Path],
    jobs: Sequence[Job],
    take: Take,
    describe: Describe,
    *,
    provenance: dict[str, Any],
    licence: str | None,
    workers: int | None,
    distinct: bool,
    progress: Progress | None,
    **writing: Unpack[Writing],
) -> Corpus:
    """Plays jobs into a corpus, in their order; the arguments as `render_soundfont` has them.

    Raises:
        UserError: FluidSynth is missing or refuses a file, or `out` is taken.
    """
    load_library()  # said now rather than by every worker
    made = {
        "made_by": "darktimbre render",
        "soundfonts": [_provenance(file) for file in files],
        "hold_seconds": take.hold / take.sample_rate, "gain": take.gain,
        "dry": "no reverb, no chorus; mono is the mean of both channels",
    }  # fmt: skip
    terms = licence or "; ".join(sorted({licence_of(file, read_table(file)) for file in files}))
    with CorpusWriter(
        out, sample_rate=take.sample_rate, samples=take.samples, licence=terms, provenance=made | provenance, **writing
    ) as writer:
        kept: dict[bytes, str] | None = {} if distinct else None
        done, total = 0, sum(len(job.keys) for job in jobs)
        for job, played in _played(jobs, take, workers or max(1, min(processors(), len(jobs)))):
            _write(writer, job, played, describe, kept)
            done += len(job.keys)
            if progress:
                progress(done, total)
    return writer.corpus


def check_playing(
    pitches: Sequence[int],
    velocities: Sequence[int],
    seconds: float,
    sample_rate: int,
    hold: float | None,
    gain: float,
) -> None:
    for what, values, top in (("pitch", pitches, 127), ("velocity", velocities, 127)):
        if wrong := [value for value in values if not (what == "velocity") <= value <= top]:
            raise UserError(f"There is no MIDI {what} {wrong[0]}; it runs from {int(what == 'velocity')} to {top}.")
    if not (0 < seconds <= 600 and 4_000 <= sample_rate <= 96_000 and 0 < gain <= 10):
        raise UserError(
            "A rendering takes up to 600 seconds a note, a rate of 4,000 to 96,000 Hz, and a gain above 0, up to 10."
        )
    if hold is not None and hold <= 0:
        raise UserError(f"A note cannot be held for {hold} seconds.")


def _write(
    writer: CorpusWriter,
    job: Job,
    played: Played,
    describe: Describe,
    kept: dict[bytes, str] | None,
) -> None:
    """Writes one preset's notes; `kept` is digest → id of the sounds so far, where equal ones are left out."""
    for row, (key, velocity) in enumerate(job.keys):
        note = describe(job, key, velocity)
        if played.silent[row]:
            writer.count("silent")
            writer.reject(note.id, f"silent: {job.preset.name or 'the preset'} makes no sound on key {key}")
            continue
        sound = hashlib.sha256(played.audio[row].tobytes()).digest()
        if kept is not None and (twin := kept.setdefault(sound, note.id)) != note.id:
            writer.count("twins")
            writer.reject(note.id, f"the same sound as {twin}")
            continue
        if played.turned_down[row]:
            writer.count("turned_down")
        writer.add(note, played.audio[row])


def render_kits(
    out: Path | str,
    soundfonts: Sequence[Path | str],
    *,
    velocities: Sequence[int] = KIT_VELOCITIES,
    programs: Sequence[int] | None = None,
    **options: Any,
) -> Corpus:
    """Plays the drum kits of SoundFonts, keys 35 to 81, into a corpus of one-shots with class and subclass.

    Kits share most of their recordings: what is equal to the last bit is kept once, and what is made of the same
    recording is one instrument, so that it lies in one split. `options` are `render_soundfont`'s.
    """
    return render_soundfont(
        out,
        soundfonts,
        banks=(DRUM_BANK,),
        programs=programs,
        pitches=tuple(DRUMS),
        velocities=velocities,
        distinct=True,
        **options,
    )


def _provenance(file: Path) -> dict[str, str]:
    table = read_table(file)
    return {"file": file.name, "title": table.title, "copyright": table.copyright, "sha256": sha256(file)}
