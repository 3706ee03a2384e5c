"""The recipe's sections for pictures of digits: the DCGAN's networks, and the classifier that judges them."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from darktimbre.models.dcgan import DcganConfig, Normalisation
from darktimbre.models.digit_classifier import DigitClassifierConfig
from darktimbre.training.section import Section

Part = Annotated[float, Field(ge=0, lt=1)]


class Dcgan(Section):
    """The networks of task `picture-gan`; see `models.dcgan.DcganConfig`.

    Attributes:
        latent: numbers of z.
        conditional: tell both networks the class (Mirza & Osindero 2014).
        widths: the generator's maps after its linear layer and after each of its two blocks.
        critic_widths: the discriminator's maps after each of its two blocks.
        normalisation: the discriminator's: `batch`; `layer` or `none`, which mix no pictures, for gradient penalties
            (Gulrajani et al. 2017, §4).
        dropout: part of the maps that is left out in each of the discriminator's blocks.
        negative_slope: of the leaky rectifiers.
        minibatch_stddev: show the discriminator the batch's deviation (Karras et al. 2018, §3).
        pac: pictures that the discriminator judges together (Lin et al. 2018).
    """

    latent: PositiveInt = 100
    conditional: bool = False
    widths: tuple[PositiveInt, PositiveInt, PositiveInt] = (128, 64, 32)
    critic_widths: tuple[PositiveInt, PositiveInt] = (32, 64)
    normalisation: Normalisation = "batch"
    dropout: Part = 0.3
    negative_slope: Part = 0.2
    minibatch_stddev: bool = False
    pac: PositiveInt = 1

    @model_validator(mode="after")
    def _buildable(self) -> "Dcgan":
        self.config(classes=10)  # says what does not go together
        return self

    def config(self, *, classes: int) -> DcganConfig:
        """The networks for this number of classes."""
        return DcganConfig(
            **self.model_dump(exclude={"conditional"}),
            classes=classes if self.conditional else 0,
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
