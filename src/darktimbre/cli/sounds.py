"""Rendered notes → a folder of WAV files with speaking names, a manifest, a picture; for `synth` and `quickstart`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

MANIFEST = "manifest.json"
_LOUDEST = 0.99  # of full scale


@dataclass(frozen=True, slots=True)
class Made:
    """One note to be written: the stem of its file, a short title for the picture, and how it was made."""

    stem: str
    title: str
    how: dict[str, Any] = field(default_factory=dict)


def file_stem(*parts: object) -> str:
    """A file name of words, numbers and notes: ("sweep", "Singing bowl", 0.5) → "sweep_singing-bowl_0.50"."""
    told = [f"{part:.2f}" if isinstance(part, float) else str(part) for part in parts]
    # Sharps stay (C#4), case is kept in note names only, all else becomes a dash.
    return "_".join(re.sub(r"[^\w#.+-]+", "-", one if _is_note(one) else one.lower()).strip("-") or "x" for one in told)


def pitch_words(pitch: float | None) -> tuple[str, ...]:
    """How a pitch is written in file names: 60 → ("60", "C4"); 60.5 → ("60.50",); none → ()."""
    from darktimbre.notes.pitch import note_name

    if pitch is None:
        return ()
    return (f"{round(pitch):02d}", note_name(round(pitch))) if float(pitch).is_integer() else (f"{pitch:.2f}",)


def write_sounds(
    instrument: "Synthesizer",
    out: Path,
    verb: str,
    waves: NDArray[np.float32] | Sequence[NDArray[np.float32]],
    made: Sequence[Made],
    *,
    picture: Path | None = None,
    heading: str = "",
) -> list[Path]:
    """Writes 16-bit WAV files, brings the folder's manifest up to date, and draws the picture if one is asked for.

    Sounds beyond full scale are all turned down by one gain, so that their levels still compare; the manifest states
    it.

    Raises:
        UserError: the folder cannot be written to.
    """
    from darktimbre.audio.files import write
    from darktimbre.audio.pictures import spectrogram_grid

    peak = max((float(np.abs(wave).max(initial=0.0)) for wave in waves), default=0.0)
    gain = min(1.0, _LOUDEST / peak) if peak > 0 else 1.0
    paths, entries = [], []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for wave, one in zip(waves, made, strict=True):
            path = out / f"{one.stem}.wav"
            write(path, wave * np.float32(gain), instrument.sample_rate)
            paths.append(path)
            how = one.how if instrument.runtime == "torch" else {**one.how, "runtime": instrument.runtime}
            entries.append({"file": path.name, "verb": verb, **how, "gain": round(gain, 6)})
        _write_manifest(instrument, out / MANIFEST, entries)
        if picture is not None:
            spectrogram_grid(list(waves), instrument.sample_rate, [one.title for one in made], picture, heading=heading)
    except OSError as error:
        raise UserError(f"{out} cannot be written to ({error.strerror or error}): choose another folder.") from error
    return paths


def _write_manifest(instrument: "Synthesizer", path: Path, entries: list[dict[str, Any]]) -> None:
    """Entries of earlier calls stay, as far as their files are still there and not written anew."""
    from darktimbre.audio.atomic import atomic_file

    new = {entry["file"] for entry in entries}
    try:
        before = [entry for entry in json.loads(path.read_text(encoding="utf-8"))["files"] if entry["file"] not in new]
    except (OSError, ValueError, KeyError, TypeError):
        before = []
    kept = [entry for entry in before if (path.parent / entry["file"]).is_file()]
    told = {
        "instrument": Path(instrument.bundle.origin).name,
        "weights_sha256": instrument.bundle.digest,
        "sample_rate": instrument.sample_rate,
        "files": sorted([*kept, *entries], key=lambda entry: entry["file"]),
    }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_note(text: str) -> bool:
    return re.fullmatch(r"[A-G]#?-?\d", text) is not None
