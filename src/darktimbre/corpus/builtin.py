"""A small orchestra in numpy → corpus: for machines without FluidSynth, and for tests that need notes at once."""

from collections.abc import Callable, Sequence
from pathlib import Path

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.orchestra import ORCHESTRA, play
from darktimbre.corpus.plan import plan
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

VELOCITIES = (40, 65, 90, 105, 120)


def render_builtin(
    out: Path | str,
    *,
    pitches: Sequence[int] = tuple(range(44, 70)),
    velocities: Sequence[int] = VELOCITIES,
    seconds: float = 1.0,
    sample_rate: int = 16_000,
    limit: int | None = None,
    split: str = "instrument",
    seed: int = 0,
    name: str = "",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Plays the built-in orchestra into a corpus; arguments as `soundfont.render_soundfont`.

    Raises:
        UserError: an argument is out of range, or `out` is taken.
    """
    if not (0 < seconds <= 60 and 4_000 <= sample_rate <= 96_000):
        raise UserError("The built-in orchestra plays up to 60 seconds a note at 4,000 to 96,000 Hz.")
    if wrong := [pitch for pitch in pitches if not 21 <= pitch <= 108]:
        raise UserError(f"The built-in orchestra plays MIDI 21 to 108, not {wrong[0]}.")
    if wrong := [velocity for velocity in velocities if not 1 <= velocity <= 127]:
        raise UserError(f"There is no MIDI velocity {wrong[0]}; it runs from 1 to 127.")
    samples = round(seconds * sample_rate)
    plans = plan(len(ORCHESTRA), pitches, velocities, limit)
    total = sum(map(len, plans))
    provenance = {
        "made_by": "darktimbre render --builtin", "orchestra": [instrument.name for instrument in ORCHESTRA],
        "pitches": sorted(set(pitches)), "velocities": sorted(set(velocities)), "limit": limit,
    }  # fmt: skip
    with CorpusWriter(
        out,
        sample_rate=sample_rate,
        samples=samples,
        name=name,
        licence="MIT",
        provenance=provenance,
        split=split,
        seed=seed,
        overwrite=overwrite,
    ) as writer:
        for instrument, keys in zip(ORCHESTRA, plans, strict=True):
            drum = instrument.family is None
            for pitch, velocity in keys:
                note = Note(
                    id=f"builtin_{instrument.name.replace(' ', '-')}-{pitch:03d}-{velocity:03d}",
                    pitch=None if drum else pitch,
                    velocity=velocity,
                    instrument=f"builtin:{instrument.name}",
                    family=instrument.family,
                    source=instrument.source,
                    category="drums" if drum else instrument.family,
                    subcategory=instrument.name,
                    origin=f"builtin:{instrument.name}",
                    seconds=seconds,
                )
                writer.add(note, play(instrument, pitch, velocity, samples, sample_rate))
                if progress:
                    progress(len(writer), total)
    return writer.corpus
