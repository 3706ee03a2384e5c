"""A trained classifier of notes on disk: training writes it (`darktimbre train inception`), evaluation uses it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.bundle.where import CONFIG
from darktimbre.models.inception import Inception, InceptionConfig, NotePredictions
from darktimbre.notes.errors import UserError


@dataclass(frozen=True)
class NoteClassifier(ModelFolder[InceptionConfig, Inception]):
    """A frozen network that predicts pitch and instrument family, and how accurate it is.

    `config` holds, beside what every model folder does:

    - `network`: fields of `InceptionConfig`; `samples`: length of the notes it was trained on;
    - `pitches`: MIDI numbers, `families`: names, `attributes`: names, each in the order of the logits;
    - `teacher` (optional): `name`, `digest` and `temperature` of the soft labels;
    - `metrics` (optional): the accuracies on each split.
    """

    kind, recipe, template = "classifier", "inception", "note_classifier"
    tags = ("audio", "audio-classification")
    built_from, built = InceptionConfig, Inception

    origin: str = field(default="this classifier", kw_only=True)

    def __post_init__(self) -> None:
        network = self.network
        self.refuse_unnamed(pitches=network.pitches, families=network.families, attributes=network.attributes)
        if not isinstance(self.config.get("samples"), int) or self.config["samples"] < 1:
            raise UserError(f"{self.origin}: `samples` in {CONFIG} is no number of samples.")
        self.refuse_misfit()

    @classmethod
    def untrained(
        cls,
        network: InceptionConfig,
        *,
        samples: int,
        pitches: tuple[int, ...] = (),
        families: tuple[str, ...] = (),
        attributes: tuple[str, ...] = (),
        seed: int = 0,
    ) -> "NoteClassifier":
        """Random weights that follow from `seed` alone; numbers of classes are taken from the names."""
        names: dict[str, list[Any]] = {
            "pitches": list(pitches),
            "families": list(families),
            "attributes": list(attributes),
        }
        network = network.model_copy(update={key: len(value) for key, value in names.items()})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights = Inception(network).state_dict()
        return cls({"network": network.model_dump(mode="json"), "samples": samples, **names}, weights)

    @property
    def pitches(self) -> tuple[int, ...]:
        """MIDI number of each pitch class; empty where it was trained without pitch."""
        return self.names("pitches")

    @property
    def families(self) -> tuple[str, ...]:
        """Name of each instrument family; "other" are the notes whose family was not known."""
        return self.names("families")

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the waves it wants."""
        return self.network.sample_rate

    @property
    def samples(self) -> int:
        """Length of the notes it was trained on."""
        return int(self.config["samples"])

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        return self.network.embedding

    @cached_property
    def module(self) -> Inception:
        """The network, float32, frozen, in evaluation mode."""
        return self.build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def predict(self, waves: Tensor) -> NotePredictions:
        """Predictions for waves (batch, sample) at `sample_rate`, of any length.

        Returns:
            pitch (batch, pitch) and family (batch, family) logits, embedding (batch, dimension), attributes (batch,
            attribute) logits; float32 on the CPU.
        """
        if waves.dim() != 2 or not waves.shape[1]:
            raise ValueError(f"waves are (batch, sample); got {tuple(waves.shape)}.")
        predictions: NotePredictions = self.module(waves.to("cpu", torch.float32))
        return predictions
