"""Synthesizer → a folder of WAV files with descriptive names, their manifest, a figure of spectrograms."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import alone, read_json, write_json
from darktimbre.audio.files import write
from darktimbre.audio.pictures import is_own_png, spectrogram_grid
from darktimbre.notes.attributes import WITHOUT_TEACHER
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import note_name
from darktimbre.notes.text import composed, folded, legible
from darktimbre.synthesizer import walks
from darktimbre.synthesizer.transfer import EncodedSound

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

MANIFEST, KIND = "manifest.json", "sounds"
_OF_ALL = ("instrument", "weights_sha256", "sample_rate")
_SAME = ("verb", "weights_sha256", "source")  # of two sounds of one name: the newer replaces the older
_LOUDEST = 0.99  # of full scale

Levels = Mapping[str, float]
"""Attribute name → value."""

Ends = tuple[tuple[Path, EncodedSound] | None, tuple[Path, EncodedSound] | None]
"""The sounds, if any, between which notes are interpolated: each by its file and its latent."""


@dataclass(frozen=True, slots=True)
class SoundFile:
    """One sound to be written: the stem of its file name, a short title for the figure, and how it was made."""

    stem: str
    title: str
    how: dict[str, Any] = field(default_factory=dict)


# ----------------------------------------------------------------------------
# Kinds of notes


def render_random(
    synthesizer: "Synthesizer",
    out: Path,
    *,
    count: int,
    pitch: float | None = None,
    levels: Levels | None = None,
    seed: int = 0,
    picture: Path | None = None,
) -> list[Path]:
    """Notes of random timbre and, unless it is given, random pitch.

    Attributes that are not set are those of a random example note of the training split, where the bundle holds some.
    """
    attributes, levels = synthesizer.attributes, dict(levels or {})
    choose = np.random.default_rng(seed)
    pitches: list[float | None] = [pitch] * count
    if pitch is None and attributes.pitches:
        pitches = choose.choice(attributes.pitches, count).tolist()
    examples = synthesizer.bundle.config.get("examples") or []
    each = [levels] * count
    # A class or style that is set stands alone: those of an example would sound beside it.
    if examples and not (levels and attributes.teacher in WITHOUT_TEACHER):
        known = {synthesizer.controls.attributes.resolve(name): value for name, value in levels.items()}
        rows = [examples[index] for index in choose.integers(len(examples), size=count)]
        each = [{**dict(zip(attributes.names, map(float, row), strict=True)), **known} for row in rows]
    stems = [("random", f"{index:03d}", *pitch_words(one)) for index, one in enumerate(pitches)]
    seeds = [seed + index for index in range(count)]
    return render_notes(synthesizer, out, "random", stems, pitches, each, seeds, picture=picture)


def render_scale(
    synthesizer: "Synthesizer",
    out: Path,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float = 1.0,
    levels: Levels | None = None,
    seed: int = 0,
    picture: Path | None = None,
) -> list[Path]:
    """One timbre on all its pitches, from `low` to `high` (MIDI; by default the ends of the trained range).

    Raises:
        UserError: the instrument has no pitch, or `high` lies below `low`.
    """
    trained = synthesizer.attributes.pitches
    if not trained:
        raise UserError("This instrument has no pitch, so there is no scale; try `darktimbre synth random`.")
    first, last = min(trained) if low is None else low, max(trained) if high is None else high
    if last < first:
        raise UserError(f"A scale goes up: --from {first:g} lies above --to {last:g}.")
    pitches = [round(float(one), 4) for one in np.arange(first, last + 1e-6, step)]
    stems = [("scale", *pitch_words(one)) for one in pitches]
    count = len(pitches)
    return render_notes(
        synthesizer, out, "scale", stems, pitches, [levels or {}] * count, [seed] * count, picture=picture
    )


def render_sweep(
    synthesizer: "Synthesizer",
    out: Path,
    attribute: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    steps: int = 5,
    pitch: float | None = None,
    levels: Levels | None = None,
    seed: int = 0,
    picture: Path | None = None,
) -> list[Path]:
    """One note with one attribute going from `low` to `high`, at the trained pitch nearest to C4 unless one is given.

    Raises:
        UserError: there is no such attribute.
    """
    attributes = synthesizer.controls.attributes
    name = attributes.resolve(attribute)
    fixed = {attributes.resolve(key): value for key, value in (levels or {}).items()}
    values = [round(float(value), 6) for value in np.linspace(low, high, steps)]
    midi = float(attributes.nearest_pitch(60)) if pitch is None and attributes.pitches else pitch
    stems: list[tuple[object, ...]] = [("sweep", name, f"{value:.2f}", *pitch_words(midi)) for value in values]
    if len(set(stems)) < len(stems):
        stems = [(*stem, str(index)) for index, stem in enumerate(stems)]
    each = walks.sweep(fixed, name, values)
    return render_notes(synthesizer, out, "sweep", stems, [midi] * steps, each, [seed] * steps, picture=picture)


def render_interpolation(
    synthesizer: "Synthesizer",
    out: Path,
    *,
    seeds: tuple[int, int],
    levels: tuple[Levels, Levels],
    pitches: tuple[float | None, float | None] = (None, None),
    sounds: Ends = (None, None),
    steps: int = 7,
    linear: bool = False,
    picture: Path | None = None,
) -> list[Path]:
    """From one note to another: latents along a great circle (or straight), attributes, pitch and level in dB straight.

    An end with a sound takes its latent and level, else the seed's latent and the level of training. The first note's
    pitch is by default the trained one nearest to C4; the last note's, that of the first.
    """
    controls, at = synthesizer.controls, walks.steps(steps)
    attributes = controls.attributes
    start, end = (controls.soft(one)[0] for one in levels)
    soft = walks.lerp(start, end, at)
    first = float(attributes.nearest_pitch(60)) if pitches[0] is None and attributes.pitches else pitches[0]
    last = first if pitches[1] is None else pitches[1]
    midi: list[float | None] = [None] * steps
    if first is not None and last is not None:
        exact = [first + (last - first) * float(one) for one in at]
        midi = [round(one, 4) if controls.between else float(round(one)) for one in exact]
    drawn = synthesizer.latents(seeds, 2)
    for end, (_, encoded) in _known(sounds):
        drawn[end] = encoded.latent
    latent = (walks.lerp if linear else walks.slerp)(drawn[0], drawn[1], at)
    each = [dict(zip(attributes.names, map(float, row), strict=True)) for row in soft]
    stems = [("interpolate", f"{index:02d}", *pitch_words(one)) for index, one in enumerate(midi)]
    way = {"way": "linear" if linear else "spherical", "from_seed": seeds[0], "to_seed": seeds[1]}
    levels_db = [synthesizer.bundle.level_db] * 2
    for end, (file, encoded) in _known(sounds):
        del way[("from_seed", "to_seed")[end]]
        way[("from_sound", "to_sound")[end]] = file.name
        levels_db[end] = encoded.level_db
    if any(sounds):
        way |= source_of(*(file for _, (file, _) in _known(sounds)))
    level_db = None
    if any(sounds) and levels_db[0] is not None and levels_db[1] is not None:
        level_db = walks.lerp(levels_db[0], levels_db[1], at).tolist()
    more = [{**way, "at": round(float(one), 4)} for one in at]
    if any(sounds):  # the latents do not follow from seeds
        more = [{**_listed(row), **one} for row, one in zip(latent, more, strict=True)]
    return render_notes(
        synthesizer, out, "interpolate", stems, midi, each, latent=latent, level_db=level_db, more=more, picture=picture
    )


def render_copies(
    synthesizer: "Synthesizer",
    out: Path,
    sound: Path,
    *,
    count: int,
    pitch: float | None,
    levels: Levels,
    seed: int = 0,
    picture: Path | None = None,
) -> list[Path]:
    """Notes like the sound that `pitch` and `levels` were measured of (see `transfer`), each with a seed of its own."""
    seeds = [seed + index for index in range(count)]
    stems = [("like", sound.stem, f"{index:02d}", *pitch_words(pitch)) for index in range(count)]
    more = [{"like": sound.name, **source_of(sound)}] * count
    pitches, each = [pitch] * count, [levels] * count
    return render_notes(synthesizer, out, "like", stems, pitches, each, seeds, more=more, picture=picture)


def render_encoded(
    synthesizer: "Synthesizer",
    out: Path,
    sound: Path,
    encoded: EncodedSound,
    *,
    pitch: float | None,
    levels: Levels,
    variations: int = 0,
    spread: float = 0.3,
    seed: int = 0,
    picture: Path | None = None,
) -> list[Path]:
    """A sound as the instrument plays its latent, and so many neighbours of it in latent space (`walks.neighbours`)."""
    noise = synthesizer.latents(seed, variations) if variations else np.zeros((0, len(encoded.latent)), np.float32)
    latent = np.concatenate([encoded.latent[None], walks.neighbours(encoded.latent, noise, spread)])
    stems = [("like", sound.stem, f"{index:02d}", *pitch_words(pitch)) for index in range(len(latent))]
    count, beside = len(latent), {"spread": spread, "seed": seed}
    like = {"like": sound.name, **source_of(sound)}
    more = [{**_listed(row), **like, **(beside if index else {})} for index, row in enumerate(latent)]
    return render_notes(
        synthesizer, out, "like", stems, [pitch] * count, [levels] * count, latent=latent,
        level_db=None if encoded.level_db is None else [encoded.level_db] * count, more=more, picture=picture,
    )  # fmt: skip


def _listed(latent: NDArray[np.float32]) -> dict[str, Any]:
    """A latent (latent,) as an entry of the manifest."""
    return {"latent": [round(float(value), 6) for value in latent]}


def render_notes(
    synthesizer: "Synthesizer",
    out: Path,
    verb: str,
    stems: Sequence[tuple[object, ...]],
    pitches: Sequence[float | None],
    levels: Sequence[Levels],
    seeds: Sequence[int] | None = None,
    *,
    latent: NDArray[np.float32] | None = None,
    level_db: Sequence[float] | None = None,
    more: Sequence[dict[str, Any]] | None = None,
    picture: Path | None = None,
) -> list[Path]:
    """Renders one note per stem and writes them; see `write_sounds`.

    Args:
        synthesizer: the instrument.
        out: folder for the sounds.
        verb: what kind of notes they are, for the manifest.
        stems: parts of each file's name, see `file_stem`.
        pitches, levels, seeds, latent, level_db: of each note, see `Synthesizer.render`.
        more: further entries of each note in the manifest.
        picture: also draw their spectrograms there.
    """
    check_destination(out, picture)
    pitched = [one for one in pitches if one is not None]
    waves = synthesizer.render(
        pitch=pitched or None, attributes=levels, seed=0 if seeds is None else seeds, latent=latent, level_db=level_db
    )
    files = []
    for index, stem in enumerate(stems):
        how: dict[str, Any] = {"pitch": pitches[index], "attributes": dict(levels[index])}
        how |= {} if seeds is None else {"seed": seeds[index]}
        how |= {} if level_db is None else {"level_db": round(level_db[index], 3)}
        how |= more[index] if more else {}
        files.append(SoundFile(file_stem(*stem), " ".join(map(str, stem[1:])), how))
    heading = f"{verb}: {Path(synthesizer.bundle.origin).name}"
    return write_sounds(synthesizer, out, verb, waves, files, picture=picture, heading=heading)


# ----------------------------------------------------------------------------
# Names and files


def file_stem(*parts: object) -> str:
    """A file name of words, numbers and notes: ("sweep", "Singing bowl", 0.5) → "sweep_singing-bowl_0.50"."""
    texts = [f"{part:.2f}" if isinstance(part, float) else composed(legible(str(part))) for part in parts]
    # Sharps stay (C#4), case is kept in note names only, all else becomes a dash.
    words = [text if _is_note(text) else text.lower() for text in texts]
    return "_".join(re.sub(r"[^\w#.+-]+", "-", word).strip("-") or "x" for word in words)


def pitch_words(pitch: float | None) -> tuple[str, ...]:
    """How a pitch is written in file names: 60 → ("60", "C4"); 60.5 → ("60.50",); none → ()."""
    if pitch is None:
        return ()
    return (f"{round(pitch):02d}", note_name(round(pitch))) if float(pitch).is_integer() else (f"{pitch:.2f}",)


def write_sounds(
    synthesizer: "Synthesizer",
    out: Path,
    verb: str,
    waves: NDArray[np.float32] | Sequence[NDArray[np.float32]],
    files: Sequence[SoundFile],
    *,
    picture: Path | None = None,
    heading: str = "",
) -> list[Path]:
    """Writes 16-bit WAV files, updates the folder's manifest, and draws spectrograms if `picture` is given.

    Sounds beyond full scale are all turned down by one gain, so that their levels still compare; the manifest states
    it. A file is replaced only by a sound of the same verb, instrument and source; beside any other of its name, the
    new one is numbered.

    Raises:
        UserError: the folder cannot be written to, another process is writing into it, or `check_destination`.
    """
    check_destination(out, picture)
    peak = max((float(np.abs(wave).max(initial=0.0)) for wave in waves), default=0.0)
    gain = min(1.0, _LOUDEST / peak) if peak > 0 else 1.0
    made = {
        "instrument": Path(synthesizer.bundle.origin).name,
        "weights_sha256": synthesizer.bundle.digest,
        "sample_rate": synthesizer.sample_rate,
        "verb": verb,
        **({} if synthesizer.runtime == "torch" else {"runtime": synthesizer.runtime}),
    }
    paths, entries = [], []
    try:
        out.mkdir(parents=True, exist_ok=True)
        with alone(out, f"Another process is writing sounds into {out}: wait for it, or name another folder."):
            names = _Names(out)
            for wave, one in zip(waves, files, strict=True):
                entry = {**made, **one.how, "gain": round(gain, 6)}
                path = out / names.take(one.stem, entry)
                write(path, wave * np.float32(gain), synthesizer.sample_rate)
                paths.append(path)
                entries.append({"file": path.name, **entry})
            kept = [entry for entry in names.entries if (out / entry["file"]).is_file()]
            listed = sorted([*kept, *entries], key=lambda entry: entry["file"])
            write_json(out / MANIFEST, {"darktimbre": KIND, "version": 1, "files": listed})
        if picture is not None:
            titles = [one.title for one in files]
            spectrogram_grid(list(waves), synthesizer.sample_rate, titles, picture, heading=heading)
    except OSError as error:
        raise UserError(f"{out} cannot be written to ({error.strerror or error}): choose another folder.") from error
    return paths


def check_destination(out: Path, picture: Path | None = None) -> None:
    """Refuses to write over what is somebody else's; called before any long work, too.

    Raises:
        UserError: `out` holds a manifest.json of another program, or `picture` is there and not of this one.
    """
    _read_manifest(out)
    if picture is not None and picture.exists() and not is_own_png(picture):
        raise UserError(f"{picture} is there and was not drawn by darktimbre: name another file for --picture.")


def remove_sounds(out: Path) -> None:
    """Removes the sounds that a folder's manifest lists, and it. Raises UserError: it is of another program."""
    for entry in _read_manifest(out):
        (out / Path(entry["file"]).name).unlink(missing_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)


def source_of(*files: Path) -> dict[str, str]:
    """The entry of a manifest that tells files of one name apart: a digest of where they lie."""
    places = b"\0".join(os.fsencode(file.absolute()) for file in files)
    return {"source": hashlib.sha256(places).hexdigest()[:12]}


class _Names:
    """Names for sounds of a folder, which no file has yet, also where letter case makes no difference.

    `entries` are those of the folder's manifest, but for the files that are written anew.
    """

    def __init__(self, out: Path) -> None:
        self.entries = _read_manifest(out)
        self._there = {folded(path.name) for path in out.iterdir()}

    def take(self, stem: str, made: Mapping[str, Any]) -> str:
        """A name for a sound, which may be that of an earlier one made of the same."""
        number = 1
        while True:
            name = f"{stem}.wav" if number == 1 else f"{stem}-{number}.wav"
            before = next((one for one in self.entries if folded(one["file"]) == folded(name)), None)
            if before is not None and all(before.get(key) == made.get(key) for key in _SAME):
                self.entries.remove(before)
                self._there.add(folded(name))
                return str(before["file"])
            if folded(name) not in self._there:
                self._there.add(folded(name))
                return name
            number += 1


def _read_manifest(out: Path) -> list[dict[str, Any]]:
    """The entries of a folder's manifest, each with what it was made by.

    Raises:
        UserError: it is of another program, or damaged.
    """
    path = out / MANIFEST
    try:
        manifest = read_json(path)
        of = {key: manifest[key] for key in _OF_ALL if key in manifest}  # earlier versions held them once for all
        ours = manifest["darktimbre"] == KIND if "darktimbre" in manifest else "weights_sha256" in of
        entries = [{**of, **entry} for entry in manifest["files"] if isinstance(entry["file"], str)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise UserError(f"{path} is there and was not written by `darktimbre synth`: name another folder.")
    return entries


def _known(sounds: Ends) -> list[tuple[int, tuple[Path, EncodedSound]]]:
    """The ends that are sounds: 0 for the first, 1 for the last."""
    return [(end, one) for end, one in enumerate(sounds) if one is not None]


def _is_note(text: str) -> bool:
    return re.fullmatch(r"[A-G]#?-?\d", text) is not None
