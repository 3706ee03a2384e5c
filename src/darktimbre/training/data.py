"""The recipe's section for what is learned from: which notes, what is known of each, and their picture."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from darktimbre.notes.attributes import CLASSES
from darktimbre.training.augment import Augment
from darktimbre.training.section import Section


class Data(Section):
    """Which notes are learned from, and what is known of each.

    Attributes:
        split: split of the corpus that is trained on.
        seconds: length of a note in seconds; the corpus must have it.
        pitches: lowest and highest MIDI note, both included; null trains without pitch.
        attributes: the first N of the corpus's attribute ranking, a list of names, or 0 for none; with the teacher
            `classes` any other number means the whole class tree.
        teacher: whose stored logits are the soft labels; or `classes`: no teacher, but the classes and subclasses that
            the notes' folders name, zeros and ones.
        temperature: T in q = σ(logit / T) (DarkGAN eq. 1).
        drop_class, drop_subclass: of how many notes the generator is not told the class, or the subclass.
        balance: 0 shows every note equally often, 1 every leaf of the class tree, and 0.5 lies between.
        peak_db: every note is brought to this peak, in dB below full scale; null keeps levels as they are. How hard a
            drum was struck is then no longer something to learn.
        augment: how far notes are changed at random.
        families: what a classifier (task `inception`) learns beside pitch: `family`, `category` (the class), or
            `subcategory` (class/subclass).
        codec: kind and options of the representation, as `codec_from_config` reads them; its scaling is fitted here.
    """

    split: Literal["train", "valid", "test"] = "train"
    seconds: PositiveFloat = 1.0
    pitches: tuple[int, int] | None = (44, 69)
    attributes: int | tuple[str, ...] = 128
    teacher: str = "yamnet"
    temperature: PositiveFloat = 1.0
    drop_class: float = Field(default=0.0, ge=0, lt=1)
    drop_subclass: float = Field(default=0.0, ge=0, lt=1)
    balance: float = Field(default=0.0, ge=0, le=1)
    peak_db: Annotated[float, Field(le=0)] | None = None
    augment: Augment = Augment()
    families: Literal["family", "category", "subcategory"] = "family"
    codec: dict[str, Any] = Field(default_factory=lambda: {"kind": "if"})

    @model_validator(mode="after")
    def _ordered(self) -> "Data":
        if self.pitches and not 0 <= self.pitches[0] <= self.pitches[1] <= 127:
            raise ValueError("pitches must be [lowest, highest] within MIDI's 0 to 127")
        if isinstance(self.attributes, int) and self.attributes < 0:
            raise ValueError("attributes must be a number ≥ 0 or a list of names")
        if self.teacher == CLASSES:
            if isinstance(self.attributes, tuple) or self.temperature != 1:
                raise ValueError("classes are taken whole and are hard: attributes is a number, temperature is 1")
        elif self.drop_class or self.drop_subclass:
            raise ValueError("drop_class and drop_subclass are for the class tree: set teacher to classes")
        return self
