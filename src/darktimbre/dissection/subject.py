"""The network under study, and how what an input is written as becomes what it takes.

latent ─► generator ─► picture | image     picture ─► codec ─► wave     wave ─► codec ─► picture
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from darktimbre.models.edits import probe
from darktimbre.models.progressive import Discriminator
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import folded, suggestion
from darktimbre.representation.codec import Codec
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers import differentiable
from darktimbre.teachers.yamnet import PatchTagger

Kind = Literal["latent", "picture", "wave", "image"]
"""What a tensor is: latent `(row, size)`; picture of a sound as its codec has it `(row, channel, frequency, frame)`;
wave `(row, sample)`; image `(row, channel, height, width)`."""

Condition = Tensor | None


class Transform(Protocol):
    """What an input must survive: changes a batch at random, each row by its own draw; differentiable."""

    @property
    def kind(self) -> Kind: ...

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Subject:
    """A network, what it takes, and what stands around it.

    Attributes:
        network: whose layers objectives name.
        takes: the kind of its input.
        run: input, condition → output; for a classifier logits `(row, class)`, for a critic scores `(row,)`.
        labels: names of the classes.
        generate: (latent, condition) → picture or image, where inputs may be latents.
        makes: which of the two.
        codec: between picture and wave.
        tagger: the teacher whose attributes objectives name; frozen, with gradients to the waves.
        critic: what scores pictures, or images.
    """

    network: nn.Module
    takes: Kind
    run: Callable[[Tensor, Condition], Tensor]
    labels: Sequence[str] = ()
    generate: Callable[[Tensor, Condition], Tensor] | None = None
    makes: Kind = "picture"
    codec: Codec | None = None
    tagger: PatchTagger[Any] | None = None
    critic: Callable[[Tensor, Condition], Tensor] | None = None

    def see(
        self, written: Tensor, kind: Kind, *, condition: Condition = None, layers: Iterable[str] = (),
        robust: Collection[Transform] = (), generator: torch.Generator | None = None,
    ) -> "Seen":  # fmt: skip
        """Runs the network on an input of some kind, transformed on its way.

        Raises UserError: there is no such layer, or no way from that kind to what the network takes.
        """
        seen = Seen(self, written, kind, condition, tuple(robust), generator or torch.Generator().manual_seed(0))
        with probe(self.network, *layers) as activations:
            seen.output = self.run(seen.form(self.takes), condition)
        for name, found in activations.items():  # a row an input: where a sound was cut into patches, their mean
            seen.layers[name] = found if len(found) == len(written) else found.unflatten(0, (len(written), -1)).mean(1)
        return seen


@dataclass
class Seen:
    """What objectives look at: the input on its way, the network's output and some layers' activations."""

    subject: Subject
    written: Tensor  # the input before any transform
    kind: Kind  # of it
    condition: Condition
    robust: tuple[Transform, ...]
    generator: torch.Generator
    output: Tensor = field(init=False)  # what the network makes of it
    layers: dict[str, Tensor] = field(init=False, default_factory=dict)  # activations by name (row, unit, …)
    _forms: dict[Kind, Tensor] = field(init=False, default_factory=dict)

    def form(self, kind: Kind) -> Tensor:
        """The input as latent, picture, wave or image, with every transform passed on the way.

        Raises UserError: there is no way there.
        """
        if kind not in self._forms:
            found = self.written if kind == self.kind else self._made(kind)
            for transform in self.robust:
                if transform.kind == kind:
                    found = transform(found, self.generator)
            self._forms[kind] = found
        return self._forms[kind]

    def _made(self, kind: Kind) -> Tensor:
        subject, codec = self.subject, self.subject.codec
        if kind == subject.makes and self.kind == "latent" and subject.generate is not None:
            return subject.generate(self.form("latent"), self.condition)
        if kind == "wave" and self.kind in ("latent", "picture") and codec is not None:
            return codec.decode(self.form("picture"))
        if kind == "picture" and self.kind == "wave" and codec is not None:
            return codec.encode(self.form("wave"))
        raise UserError(f"No way leads from {self.kind} to {kind} here: write the input as another kind.")

    @cached_property
    def logits(self) -> Tensor:
        """The teacher's logits of the wave `(row, label)`. Raises UserError: there is none, or not of this rate."""
        tagger, codec = self.subject.tagger, self.subject.codec
        if tagger is None:
            raise UserError("An attribute is of a teacher, and none is given: name one.")
        if codec is not None and codec.sample_rate != tagger.sample_rate:
            raise UserError(f"The teacher takes {tagger.sample_rate} Hz, these sounds have {codec.sample_rate} Hz.")
        return differentiable.responses(tagger, self.form("wave")).logits

    @cached_property
    def score(self) -> Tensor:
        """The critic's score `(row,)`. Raises UserError: there is no critic."""
        if self.subject.critic is None:
            raise UserError("There is no critic here: take a bundle with a discriminator.")
        return self.subject.critic(self.form(self.subject.makes), self.condition)


def column(name: str, labels: Sequence[str]) -> int:
    """Where a label stands, in any letter case. Raises UserError: there is none; the near ones are named."""
    places = {folded(label): place for place, label in enumerate(labels)}
    if (key := folded(name)) in places:
        return places[key]
    raise UserError(f"There is no label {name!r}.{suggestion(name, labels)}")


def layers_of(network: nn.Module) -> list[str]:
    """The layers whose units are looked at: stages, and those named like a convolutional trunk's."""
    trunk = re.compile(r"(stages|layers|blocks)\.[^.]+|layer\d+|base")
    found = [name for name, _ in network.named_modules() if trunk.fullmatch(name)]
    return sorted(found, key=lambda name: (name == "base", len(name), name))


def generator_of(instrument: Synthesizer, tagger: PatchTagger[Any] | None = None) -> Subject:
    """Its generator or decoder, unfolded, as training had it; its critic beside it where the bundle has one."""
    network, critic = instrument.bundle.generator(), instrument.bundle.critic()
    score = None if critic is None else one_by_one(critic)
    return Subject(network, "latent", network, generate=network, codec=instrument.codec, tagger=tagger, critic=score)


def critic_of(instrument: Synthesizer, tagger: PatchTagger[Any] | None = None) -> Subject:
    """Its discriminator, of pictures. Raises UserError: the bundle was read without one, or has none."""
    around, critic = generator_of(instrument, tagger), instrument.bundle.critic()
    if critic is None:
        raise UserError(f"{instrument.bundle.origin} has no discriminator: name a bundle that `train` has just made.")
    return replace(around, network=critic, takes="picture", run=one_by_one(critic))


def encoder_of(instrument: Synthesizer, tagger: PatchTagger[Any] | None = None) -> Subject:
    """Its encoder, of pictures. Raises UserError: it has none."""
    encoder = instrument.bundle.encoder_network()
    return replace(generator_of(instrument, tagger), network=encoder, takes="picture", run=lambda one, _: encoder(one))


def teacher_of(tagger: PatchTagger[Any], instrument: Synthesizer | None = None) -> Subject:
    """A teacher, of waves; with an instrument, inputs may be its latents and pictures."""

    def run(wave: Tensor, condition: Condition) -> Tensor:
        return differentiable.responses(tagger, wave).logits

    alone = Subject(tagger.network, "wave", run, labels=tagger.labels, tagger=tagger)
    around = alone if instrument is None else generator_of(instrument, tagger)
    return replace(alone, generate=around.generate, codec=around.codec, critic=around.critic)


def one_by_one(critic: Discriminator) -> Callable[[Tensor, Condition], Tensor]:
    """Scores of pictures, each alone: the deviation within a batch would let rows see each other."""

    def score(pictures: Tensor, condition: Condition) -> Tensor:
        pack = critic.config.pac
        return torch.cat([critic(one.expand(pack, -1, -1, -1)).score for one in pictures.split(1)])

    return score
