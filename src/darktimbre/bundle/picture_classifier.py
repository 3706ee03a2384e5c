"""A trained classifier of pictures on disk: what generated digits are judged by."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.bundle import weights as tensors
from darktimbre.bundle.model_folder import class_names, frozen, network_sizes, parameters, read_folder, write_folder
from darktimbre.bundle.picture_card import classifier_card
from darktimbre.bundle.where import CONFIG, WEIGHTS
from darktimbre.models.digit_classifier import DigitClassifier, DigitClassifierConfig
from darktimbre.notes.errors import UserError

KIND = "picture-classifier"
BLOCK = 500  # pictures judged at once


class Judgement(NamedTuple):
    """What is seen in pictures."""

    probabilities: NDArray[np.float32]  # (picture, class)
    embedding: NDArray[np.float32]  # (picture, embedding)


@dataclass(frozen=True)
class PictureClassifier:
    """A frozen classifier and how often it is right.

    `config` holds plain JSON types: `network` (fields of `DigitClassifierConfig`), `classes` (names, in the order of
    the logits), and `recipe`, `provenance`, `metrics` (optional), which the card tells.

    Attributes:
        config: as above.
        weights: the network's state.
        origin: folder it was read from, for messages.
    """

    config: dict[str, Any]
    weights: tensors.Weights = field(repr=False)
    origin: str = "this classifier"

    def __post_init__(self) -> None:
        if self.network.classes != len(self.classes):
            raise UserError(f"{self.origin}: {CONFIG} does not name the network's {self.network.classes} classes.")
        tensors.refuse_misfit(self.weights, lambda: DigitClassifier(self.network), f"{self.origin}/{WEIGHTS}")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "PictureClassifier":
        """Reads a classifier from its folder.

        Raises:
            UserError: there is none, or it is of another kind or a later format, or damaged.
        """
        return cls(*read_folder(folder, kind=KIND, recipe="digits-classifier"))

    def save_pretrained(self, folder: Path | str) -> Path:
        """Writes the folder, whole or not at all; what was there is replaced.

        Raises:
            UserError: a weight is not finite.
        """
        card = classifier_card(self.config, parameters=parameters(self.weights))
        return write_folder(folder, kind=KIND, config=self.config, weights=self.weights, card=card)

    @cached_property
    def network(self) -> DigitClassifierConfig:
        """Sizes of the network."""
        return network_sizes(DigitClassifierConfig, self.config, self.origin)

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each class."""
        return class_names(self.config, self.origin)

    @property
    def accuracy(self) -> float | None:
        """How often it is right on the test split, or else the valid split, of what it was trained on."""
        metrics = self.config.get("metrics") or {}
        known = (metrics.get(split, {}).get("accuracy") for split in ("test", "valid"))
        return next((float(value) for value in known if value is not None), None)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the weights and the sizes they are used with."""
        return tensors.digest(self.weights, also=self.network.model_dump_json())

    @cached_property
    def module(self) -> torch.nn.Module:
        """The network, float32, frozen."""
        with torch.random.fork_rng(devices=[]):  # the random start is thrown away
            return frozen(DigitClassifier(self.network), self.weights)

    @torch.no_grad()
    def judge(self, pictures: NDArray[np.float32]) -> Judgement:
        """What is seen in pictures (picture, channel, height, width) in [−1, 1]."""
        probabilities, embedding = [np.zeros((0, self.network.classes), np.float32)], []
        embedding.append(np.zeros((0, self.network.embedding), np.float32))
        for first in range(0, len(pictures), BLOCK):
            seen = self.module(torch.from_numpy(pictures[first : first + BLOCK]))
            probabilities.append(seen.logits.softmax(1).numpy())
            embedding.append(seen.embedding.numpy())
        return Judgement(np.concatenate(probabilities), np.concatenate(embedding))
