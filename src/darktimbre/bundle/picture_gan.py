"""A trained generator of pictures on disk: training writes it, grids and figures are drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.bundle import weights as tensors
from darktimbre.bundle.model_folder import class_names, frozen, network_sizes, parameters, read_folder, write_folder
from darktimbre.bundle.picture_card import gan_card
from darktimbre.bundle.where import CONFIG, WEIGHTS
from darktimbre.models.dcgan import DcganConfig, DcganGenerator
from darktimbre.notes.errors import UserError

KIND = "picture-gan"
BLOCK = 250  # pictures made at once


@dataclass(frozen=True)
class PictureGan:
    """A frozen generator and what is known of it.

    `config` holds plain JSON types: `network` (fields of `DcganConfig`), `classes` (names, in the order of the
    condition; those of the corpus, also where the network is not told them), and `recipe`, `provenance`, `metrics`
    (optional), which the card tells.

    Attributes:
        config: as above.
        weights: the averaged generator's state.
        origin: folder it was read from, for messages.
    """

    config: dict[str, Any]
    weights: tensors.Weights = field(repr=False)
    origin: str = "this generator"

    def __post_init__(self) -> None:
        if self.network.classes not in (0, len(self.classes)):
            raise UserError(f"{self.origin}: {CONFIG} does not name the network's {self.network.classes} classes.")
        tensors.refuse_misfit(self.weights, lambda: DcganGenerator(self.network), f"{self.origin}/{WEIGHTS}")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "PictureGan":
        """Reads a generator from its folder.

        Raises:
            UserError: there is none, or it is of another kind or a later format, or damaged.
        """
        return cls(*read_folder(folder, kind=KIND, recipe="digits-conditional"))

    def save_pretrained(self, folder: Path | str) -> Path:
        """Writes the folder, whole or not at all; what was there is replaced.

        Raises:
            UserError: a weight is not finite.
        """
        card = gan_card(self.config, parameters=parameters(self.weights))
        return write_folder(folder, kind=KIND, config=self.config, weights=self.weights, card=card)

    def with_metrics(self, metrics: dict[str, Any]) -> "PictureGan":
        """The same with these figures beside what is known already."""
        known = {**self.config.get("metrics", {}), **metrics}
        return PictureGan({**self.config, "metrics": known}, self.weights, self.origin)

    @cached_property
    def network(self) -> DcganConfig:
        """Sizes of the network."""
        return network_sizes(DcganConfig, self.config, self.origin)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the corpus's classes."""
        return class_names(self.config, self.origin)

    @property
    def conditional(self) -> bool:
        """Whether a class can be asked for."""
        return self.network.classes > 0

    @cached_property
    def module(self) -> torch.nn.Module:
        """The network, float32, frozen."""
        with torch.random.fork_rng(devices=[]):  # the random start is thrown away
            return frozen(DcganGenerator(self.network), self.weights)

    def latents(self, seed: int, count: int) -> NDArray[np.float32]:
        """(count, latent) from N(0, 1); a row is the same however many are asked for."""
        return np.random.default_rng(seed).standard_normal((count, self.network.latent), dtype=np.float32)

    @torch.no_grad()
    def pictures(
        self, latents: NDArray[np.float32], classes: Sequence[int] | NDArray[np.integer] = ()
    ) -> NDArray[np.float32]:
        """The pictures of some latents (picture, channel, height, width), −1 black to 1 white.

        Args:
            latents: (picture, latent).
            classes: index into `classes` for each; left out where the generator is not told any.

        Raises:
            UserError: the generator needs classes and there is not one a picture, or it knows none.
        """
        if self.conditional and len(classes) != len(latents):
            raise UserError(f"{self.origin} makes pictures by class: name one for each, of {', '.join(self.classes)}.")
        if not self.conditional and len(classes):
            raise UserError(f"{self.origin} was trained without classes; train digits-conditional to ask for one.")
        told = np.eye(self.network.classes, dtype=np.float32)[np.asarray(classes, dtype=np.int64)]
        made = [
            self.module(*(torch.from_numpy(part[first : first + BLOCK]) for part in (latents, told))).numpy()
            for first in range(0, len(latents), BLOCK)
        ]
        return np.concatenate(made) if made else np.zeros((0, *self.network.picture), np.float32)


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """The module's state on the CPU, in memory of its own."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
