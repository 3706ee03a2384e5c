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
    """One sound: what it is, not its samples (those lie in the corpus's shards, in the same row).

    Attributes:
        id: name of the note, unique in its corpus.
        pitch: MIDI note number, or None when the sound has none or none is known.
        velocity: MIDI velocity 1–127, or None.
        instrument: what played it, e.g. a soundfont preset; the unit that a split never divides.
        family: one of `FAMILIES`, or None.
        source: one of `SOURCES`, or None.
        category: class from the folder name ("drums"), or None.
        subcategory: class below it ("kicks"), or None.
        tags: free words that came with the sound (NSynth's qualities, a metadata column).
        origin: where it came from: a path below the imported folder, or file:bank:program of a soundfont.
        seconds: length before padding or cutting to the corpus's fixed length.
        split_key: what decides the split; equal keys always land in the same split, in every corpus.
        split: "train", "valid" or "test"; empty until the corpus is written.
    """

    id: str
    instrument: str
    origin: str
    seconds: float
    pitch: int | None = None
    velocity: int | None = None
    family: str | None = None
    source: str | None = None
    category: str | None = None
    subcategory: str | None = None
    tags: tuple[str, ...] = ()
    split_key: str = ""
    split: str = ""
