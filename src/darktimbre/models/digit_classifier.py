"""A small classifier of pictures: its embedding is what generated digits are compared by."""

from itertools import pairwise
from typing import NamedTuple, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from darktimbre.models.convolution import Conv2d
from darktimbre.notes.bounded import Bounded, Positive


class DigitClassifierConfig(Bounded):
    """Sizes of a classifier; a model folder stores it."""

    picture: tuple[Positive, Positive, Positive] = (1, 28, 28)
    classes: int = Field(default=10, ge=2)
    widths: tuple[Positive, ...] = Field(default=(16, 32, 64), min_length=1, description="maps of each block")
    embedding: Positive = Field(default=64, description="numbers before the last layer")
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        self.refuse_large("feature maps", max(*self.widths, self.picture[0]), *self.picture[1:])
        return self


class DigitPredictions(NamedTuple):
    """What a classifier sees in pictures."""

    logits: Tensor  # (batch, class), for a softmax
    embedding: Tensor  # (batch, embedding)


class DigitClassifier(nn.Module):
    """picture `(batch, channel, height, width)` in [−1, 1] → `DigitPredictions`.

    Blocks of [3 × 3 Conv2d → BatchNorm2d → ReLU], all but the first with stride 2; Linear → ReLU, dropout, Linear.
    """

    def __init__(self, config: DigitClassifierConfig) -> None:
        super().__init__()
        self.config = config
        channels, height, width = config.picture
        sizes = (channels, *config.widths)
        self.blocks = nn.Sequential()
        for number, (inputs, outputs) in enumerate(pairwise(sizes)):
            stride = 2 if number else 1
            height, width = -(-height // stride), -(-width // stride)
            self.blocks.append(
                nn.Sequential(
                    Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(),
                )
            )
        self.embed = nn.Sequential(nn.Flatten(), nn.Linear(sizes[-1] * height * width, config.embedding), nn.ReLU())
        self.name = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.embedding, config.classes))

    def forward(self, picture: Tensor) -> DigitPredictions:
        embedding = self.embed(self.blocks(picture))
        return DigitPredictions(self.name(embedding), embedding)
