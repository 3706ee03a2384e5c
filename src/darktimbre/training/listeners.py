"""The recipe's sections for networks that listen: the embedded teacher, and evaluation's classifier."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from darktimbre.models.digit_classifier import DigitClassifierConfig
from darktimbre.models.inception import InceptionConfig
from darktimbre.training.recipe.schema import Section

Part = Annotated[float, Field(ge=0, lt=1)]


class Tagger(Section):
    """The embedded teacher's own choices (task `tagger`).

    Attributes:
        start: `compressed` (YAMNet's weights, which must be on this machine, made narrow in closed form) or `scratch`.
        cross_entropy: weight of the cross-entropy of probabilities, beside the squared error of standardised logits.
        weight_decay: decoupled decay of AdamW.
        gain_db: random gain within ± this many dB, so that loudness teaches nothing.
    """

    start: Literal["compressed", "scratch"] = "compressed"
    cross_entropy: NonNegativeFloat = 5.0
    weight_decay: NonNegativeFloat = 1e-4
    gain_db: NonNegativeFloat = 6.0


class Inception(Section):
    """The classifier's own choices (task `inception`).

    It looks at levels below the note's own loudest place, so that a random gain would change nothing; instead a note is
    moved a little in time, and along the frequency axis, its pitch class with it.

    Attributes:
        stem: maps of the first convolution.
        widths: maps of each inception block.
        embedding: numbers before the heads.
        pitch: weight of the pitch cross-entropy.
        family: weight of the cross-entropy of instrument families.
        attributes: weight of the distillation cross-entropy, where the corpus has tags (a mean over attributes most of
            which are hardly heard: a small number).
        shift_ms: a note begins up to this much later or earlier.
        semitones: a note is moved by up to this many; beyond the pitch classes it counts for its family alone.
        tilt_db: a random slope over the frequency axis, up to this much from end to end.
        dropout: part of the embedding that is left out.
        weight_decay: decoupled decay of AdamW.
    """

    stem: PositiveInt = 16
    widths: tuple[PositiveInt, ...] = (64, 96, 160, 192)
    embedding: PositiveInt = 384
    pitch: NonNegativeFloat = 1.0
    family: NonNegativeFloat = 1.0
    attributes: NonNegativeFloat = 20.0
    shift_ms: NonNegativeFloat = 20.0
    semitones: NonNegativeInt = 3
    tilt_db: NonNegativeFloat = 12.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    weight_decay: NonNegativeFloat = 5e-2

    @model_validator(mode="after")
    def _buildable(self) -> "Inception":
        self.config(sample_rate=16_000, pitches=0, families=0, attributes=0)  # says what is wrong with the widths
        return self

    def config(self, *, sample_rate: int, pitches: int, families: int, attributes: int) -> InceptionConfig:
        """The network for these numbers of classes."""
        return InceptionConfig(
            sample_rate=sample_rate,
            pitches=pitches,
            families=families,
            attributes=attributes,
            stem=self.stem,
            widths=self.widths,
            embedding=self.embedding,
        )


class Classifier(Section):
    """The network of task `picture-classifier`; see `models.digit_classifier.DigitClassifierConfig`.

    Attributes:
        widths: maps of each block.
        embedding: numbers before the last layer.
        dropout: part of them that is left out.
        weight_decay: decoupled decay of AdamW.
        shift: a picture is moved by up to this many pixels each way.
    """

    widths: tuple[PositiveInt, ...] = (16, 32, 64)
    embedding: PositiveInt = 64
    dropout: Part = 0.3
    weight_decay: NonNegativeFloat = 1e-2
    shift: Annotated[int, Field(ge=0, le=8)] = 2

    def config(self, *, picture: tuple[int, int, int], classes: int) -> DigitClassifierConfig:
        """The network for these pictures and this number of classes."""
        return DigitClassifierConfig(
            picture=picture, classes=classes, widths=self.widths, embedding=self.embedding, dropout=self.dropout
        )
