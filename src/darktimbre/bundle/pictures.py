"""Trained models of small pictures on disk: generators of digits, and the classifier that evaluates them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.models.dcgan import DcganConfig, DcganGenerator
from darktimbre.models.digit_classifier import DigitClassifier, DigitClassifierConfig
from darktimbre.notes.errors import UserError

BLOCK = 250  # pictures of a batch


@dataclass(frozen=True)
class PictureGan(ModelFolder[DcganConfig, DcganGenerator]):
    """A frozen generator of pictures.

    `config` holds, beside what every model folder does: `network`, the fields of `DcganConfig`; `classes`, names in the
    order of the condition (those of the corpus, even where the network is unconditional). The weights are the averaged
    generator's.
    """

    kind, recipe, template = "picture-gan", "digits-conditional", "picture_gan"
    tags = ("gan", "dcgan", "digits")
    built_from, built = DcganConfig, DcganGenerator

    origin: str = field(default="this generator", kw_only=True)

    def __post_init__(self) -> None:
        self.refuse_unnamed(classes=self.network.classes or len(self.classes))
        self.refuse_misfit()

    def with_metrics(self, metrics: dict[str, Any]) -> "PictureGan":
        """The same with these figures beside what is known already."""
        return replace(self, config={**self.config, "metrics": {**self.config.get("metrics", {}), **metrics}})

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the corpus's classes."""
        return self.names("classes")

    @property
    def conditional(self) -> bool:
        """Whether it generates pictures of a given class."""
        return self.network.classes > 0

    def latents(self, seed: int, count: int) -> NDArray[np.float32]:
        """(count, latent) from N(0, 1); a row is the same whatever the count."""
        return np.random.default_rng(seed).standard_normal((count, self.network.latent), dtype=np.float32)

    @torch.no_grad()
    def pictures(
        self, latents: NDArray[np.float32], classes: Sequence[int] | NDArray[np.integer] = ()
    ) -> NDArray[np.float32]:
        """The pictures of some latents (picture, channel, height, width), −1 black to 1 white.

        Args:
            latents: (picture, latent).
            classes: index into `classes` for each; left out where the generator is unconditional.

        Raises:
            UserError: the generator needs classes and there is not one a picture, or it knows none.
        """
        if self.conditional and len(classes) != len(latents):
            raise UserError(f"{self.origin} makes pictures by class: name one for each, of {', '.join(self.classes)}.")
        if not self.conditional and len(classes):
            raise UserError(f"{self.origin} was trained without classes; train digits-conditional to ask for one.")
        condition = np.eye(self.network.classes, dtype=np.float32)[np.asarray(classes, dtype=np.int64)]
        made = [
            self.module(*(torch.from_numpy(part[first : first + BLOCK]) for part in (latents, condition))).numpy()
            for first in range(0, len(latents), BLOCK)
        ]
        return np.concatenate(made) if made else np.zeros((0, *self.network.picture), np.float32)


class PicturePredictions(NamedTuple):
    """Predictions for some pictures."""

    probabilities: NDArray[np.float32]  # (picture, class)
    embedding: NDArray[np.float32]  # (picture, embedding)


@dataclass(frozen=True)
class PictureClassifier(ModelFolder[DigitClassifierConfig, DigitClassifier]):
    """A frozen classifier of pictures and how accurate it is.

    `config` holds, beside what every model folder does: `network`, the fields of `DigitClassifierConfig`; `classes`,
    names in the order of the logits.
    """

    kind, recipe, template = "picture-classifier", "digits-classifier", "picture_classifier"
    tags = ("image-classification", "digits")
    built_from, built = DigitClassifierConfig, DigitClassifier

    origin: str = field(default="this classifier", kw_only=True)

    def __post_init__(self) -> None:
        self.refuse_unnamed(classes=self.network.classes)
        self.refuse_misfit()

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.names("classes")

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the test split, or else the valid split, of what it was trained on."""
        metrics = self.config.get("metrics") or {}
        known = (metrics.get(split, {}).get("accuracy") for split in ("test", "valid"))
        return next((float(value) for value in known if value is not None), None)

    @torch.no_grad()
    def predict(self, pictures: NDArray[np.float32]) -> PicturePredictions:
        """Predictions for pictures (picture, channel, height, width) in [−1, 1]."""
        probabilities = [np.zeros((0, self.network.classes), np.float32)]
        embedding = [np.zeros((0, self.network.embedding), np.float32)]
        for first in range(0, len(pictures), 2 * BLOCK):
            found = self.module(torch.from_numpy(pictures[first : first + 2 * BLOCK]))
            probabilities.append(found.logits.softmax(1).numpy())
            embedding.append(found.embedding.numpy())
        return PicturePredictions(np.concatenate(probabilities), np.concatenate(embedding))
