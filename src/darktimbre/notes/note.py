"""The noun all rooms share: one sound of a corpus and what is known about it."""

from dataclasses import dataclass

FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
)  # fmt: skip
"""NSynth's instrument families, in NSynth's order (`synth_lead` is its rare eleventh, the tenth by number)."""

SOURCES = ("acoustic", "electronic", "synthetic")
"""NSynth's sound sources, in NSynth's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One sound: what it is, not its samples (those lie in the corpus's shards, in the same row)."""

    id: str  # name of the note, unique in its corpus
    instrument: str  # what played it, e.g. a soundfont preset; the unit that a split never divides
    origin: str  # where it came from: a path below the imported folder, or file:bank:program of a soundfont
    seconds: float  # length before padding or cutting to the corpus's fixed length
    pitch: int | None = None  # MIDI note number, or None when the sound has none or none is known
    velocity: int | None = None  # MIDI velocity 1–127, or None
    family: str | None = None  # one of `FAMILIES`, or None
    source: str | None = None  # one of `SOURCES`, or None
    category: str | None = None  # class from the folder name ("drums"), or None
    subcategory: str | None = None  # class below it ("kicks"), or None
    tags: tuple[str, ...] = ()  # free words that came with the sound (NSynth's qualities, a metadata column)
    styles: tuple[str, ...] = ()  # style tags: techniques, timbres; what a style-conditional model is controlled by
    split_key: str = ""  # what decides the split; equal keys always land in the same split, in every corpus
    split: str = ""  # "train", "valid" or "test"; empty until the corpus is written
