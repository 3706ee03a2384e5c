"""Generators of notes: what all tasks share that train one, from corpus to bundle, however they train it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveInt, model_validator
from torch import Tensor

from darktimbre.bundle.bundle import PROGRESSIVE, Bundle
from darktimbre.bundle.where import has_starter
from darktimbre.corpus.classes import leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.config import ADDITIONS, Heads, ProgressiveConfig, ProgressiveSizes, Size
from darktimbre.models.progressive import Generator
from darktimbre.models.surgery import generator_for_pitches, generator_for_whitening, with_additions
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted
from darktimbre.representation.codec import SPAN, Codec, codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.training.dataset import augmented, choose_attributes, fit_codec, label_mask, note_dataset, tree_of
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Data, Recipe
from darktimbre.training.sampling import RowSampler, uniform
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.base import GenerativeTask, Outcome, Plan, shrunk_widths

RATE = 16_000  # Hz, where no corpus says otherwise


class Network(ProgressiveSizes):
    """The networks; what follows from the data is added by the run."""

    growth: tuple[Size, ...]
    widths: tuple[PositiveInt, ...]

    @model_validator(mode="after")
    def _buildable(self) -> "Network":
        self.config(pitches=(69,), attributes=0)  # says what is wrong with sizes and widths
        return self

    def config(self, *, pitches: tuple[int, ...], attributes: int, **spectrum: Any) -> ProgressiveConfig:
        """The plan of the networks for these pitch classes and this number of attributes.

        `spectrum`: `channels`, `bin_hz` and `first_bin` of the representation.
        """
        return ProgressiveConfig(
            **self.model_dump(),
            condition=len(pitches) + attributes,
            heads=Heads(pitch=len(pitches), attributes=attributes),
            pitches=pitches,
            **spectrum,
        )

    @property
    def narrow(self) -> "Network":
        """The same for a smoke test."""
        critic = self.critic_widths and shrunk_widths(self.critic_widths)
        return self.model_copy(update={"widths": shrunk_widths(self.widths), "critic_widths": critic, "hidden": 32})


class NoteGeneratorRecipe(Recipe):
    """The recipe of an instrument with a progressive generator."""

    network: Network

    @model_validator(mode="after")
    def _pitched_comb(self) -> "NoteGeneratorRecipe":
        if self.network.pitch_comb and not self.data.pitches:
            raise ValueError("a pitch comb needs pitches: where data.pitches is null, set network.pitch_comb to false")
        if self.network.pitch_comb and str(self.data.codec.get("kind")).endswith("logmag"):
            raise ValueError("a pitch comb shapes phases too: with a logmag codec, set network.pitch_comb to false")
        return self


class NoteGeneratorTask(GenerativeTask):
    """A generator of notes in training: data, plan and bundle; a subclass builds the networks and makes the steps."""

    accepts = frozenset({"--half", "--evaluate-every", "--keep-best", "--weights"})
    evaluated_by = "teacher"

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        recipe, data = self.recipe, self.recipe.data
        self.dataset = note_dataset(data, corpus, plan.attributes)
        self.codec = codec_from_config(plan.codec)
        self.config = network_config(recipe, plan.attributes, self.codec)
        leaves = leaf_of(corpus, self.dataset.rows) if data.balance else None
        self.sampler = RowSampler(len(self.dataset.rows), recipe.seed, leaves, data.balance)

    @property
    def averaged(self) -> Generator:
        """The averaged generator: what is bundled."""
        raise NotImplementedError

    def companions(self) -> dict[str, Any]:
        """Networks that the bundle holds beside the generator, by their names in `Bundle`."""
        raise NotImplementedError

    def start_from(self, bundle: Bundle) -> None:
        """Takes the weights of a bundle that fits."""
        raise NotImplementedError

    def generator_of(self, bundle: Bundle) -> dict[str, Tensor]:
        """Weights of a bundle's generator, made to fit the run's pitches, whitening and additions."""
        known = generator_for_pitches(bundle.generator().state_dict(), bundle.gan, self.config.pitches)
        soft = torch.from_numpy(self.dataset.soft_labels)
        known = generator_for_whitening(known, bundle.gan, self.averaged.whiten, soft)
        return with_additions(known, self.averaged.state_dict())

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    def continued(cls, recipe: Any, bundle: Bundle) -> dict[str, Any]:
        """Settings that another value replaces where a run starts from a bundle."""
        # Trained weights are not to be forgotten: the average leaves them slowly from the first step on.
        return {"averaging": recipe.averaging.model_copy(update={"ramp": None})}

    @classmethod
    def anew(cls, recipe: Any, bundle: Bundle) -> list[str]:
        """Sentences on what a bundle does not hold, so that it starts anew."""
        return []

    @classmethod
    def make_plan(cls, recipe: Any, corpus: Corpus) -> Plan:
        """Reads the bundle that the weights are from, or chooses attributes and fits the representation."""
        bundle, messages = init_bundle(recipe, corpus)
        if bundle is None:
            attributes = choose_attributes(recipe.data, corpus)
            codec = fit_codec(recipe.data, note_dataset(recipe.data, corpus, attributes))
            plan = Plan.of(recipe, corpus, attributes, codec=codec.to_config(), messages=messages)
        else:
            attributes, others = _relabelled(bundle.attributes, recipe.data, corpus)
            attributes, new = _repitched(attributes, recipe.data)
            plan = Plan.of(
                recipe, corpus, attributes, recipe=recipe.model_copy(update=cls.continued(recipe, bundle)),
                codec=bundle.codec().to_config(),
                init_from=f"{Path(recipe.init).name if recipe.init != 'auto' else 'starter'} {bundle.digest[:16]}",
                messages=[*messages, *cls.anew(recipe, bundle), *new, *others],
            )  # fmt: skip
        network_config(recipe, plan.attributes, codec_from_config(plan.codec))
        return plan

    @classmethod
    def sized(cls, recipe: Any, corpus: Corpus | None) -> tuple[ProgressiveConfig, list[str]]:
        """The networks' plan for a corpus, or without one, and lines about data and sizes for a dry run."""
        lines = []
        if corpus is not None:
            attributes = choose_attributes(recipe.data, corpus)
            rows = note_dataset(recipe.data, corpus, attributes).rows
            lines.append(f"corpus: {len(rows):,} of {len(corpus):,} notes of {corpus.name} are trained on")
        else:
            attributes = without_corpus(recipe.data)
        codec = unfitted(recipe.data, corpus.sample_rate if corpus else RATE)
        config = network_config(recipe, attributes, codec)
        lines += [
            f"picture: {' × '.join(map(str, codec.shape))} (channel × frequency × frame)",
            f"condition: {config.condition} numbers, latent: {config.latent}",
        ]
        return config, lines

    @classmethod
    def macs(cls, recipe: Any) -> float:
        """Multiply-accumulates of a note of a step of the last phase: by which budgets of unlike tasks compare."""
        raise NotImplementedError

    # ------------------------------------------------------------------------
    # While it runs

    def initialise(self) -> None:
        """Weights of the bundle that the plan names.

        Raises:
            UserError: another bundle is there by now.
        """
        if self.plan.init_from is None:
            return
        bundle, _ = init_bundle(self.plan.requested, self.corpus)
        if bundle is None or not self.plan.init_from.endswith(bundle.digest[:16]):
            raise UserError(
                f"The run was to start from {self.plan.init_from}…, which is not there any more: start a new run."
            )
        self.start_from(bundle)

    def waves(self, index: NDArray[np.int64], state: StepState, part: slice) -> Tensor:
        """Sound of a step's notes, (batch, sample), changed a little where the recipe says so."""
        waves, choices = self.dataset.waves(index), self.recipe.data.augment
        if not choices:
            return waves
        moves = uniform(self.recipe.seed, "augment", state.notes_seen, (state.batch, 3))[part]
        return augmented(waves, moves.numpy(), choices, self.corpus.sample_rate)

    def label_mask(self, state: StepState, part: slice) -> Tensor | None:
        """Which labels of a step's notes the condition keeps, (batch, label); None: all."""
        data = self.recipe.data
        dropped = {"drop_class": data.drop_class, "drop_subclass": data.drop_subclass}
        if not any(dropped.values()):  # always so, but with the class tree
            return None
        place = {"seed": self.recipe.seed, "notes_seen": state.notes_seen, "batch": state.batch}
        return label_mask(self.plan.attributes.names, **dropped, **place)[part]

    def loudness(self, level: Tensor) -> Tensor:
        """Log-magnitude channel, scaled by the codec → linear magnitude of the same shape, 1 at the loudest."""
        slope = (self.codec.high - self.codec.low) / (2 * SPAN)
        return torch.exp((level - SPAN) * slope)

    # ------------------------------------------------------------------------
    # What it makes

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path | None:
        """Writes the bundle."""
        return self.bundle(state.notes_seen, losses).save_pretrained(folder, half=half)

    def preview(self, state: StepState) -> Synthesizer:
        """The averaged generator as an instrument."""
        return Synthesizer(self.bundle(state.notes_seen + state.batch, {}), self.context.device)

    def bundle(self, notes_seen: int, losses: dict[str, float]) -> Bundle:
        """The averaged generator with all that playing needs, and what goes along for further training."""
        attributes = self.plan.attributes
        config = {
            "network": self.config.model_dump(mode="json"),
            "attributes": attributes.to_json(),
            "codec": self.plan.codec,
            "baseline": self.dataset.baseline,
            "examples": self.dataset.examples(),
            "recipe": self.recipe.model_dump(mode="json"),
            "provenance": self.provenance(notes_seen),
            "metrics": {"losses": losses} if losses else {},
        }
        return Bundle(config, self.averaged.state_dict(), **self.companions())

    def provenance(self, notes_seen: int) -> dict[str, Any]:
        attributes = self.plan.attributes
        teacher = {"name": attributes.teacher, "digest": attributes.teacher_digest}
        origin = {"begun from": self.plan.init_from} if self.plan.init_from else {}
        return {**super().provenance(notes_seen), "teacher": teacher, **origin}

    @classmethod
    def closing(cls, outcome: Outcome) -> list[str]:
        where = outcome.bundle
        how = f"play it with `darktimbre synth random {quoted(where)} sounds`"
        return [f"The instrument is in {where}: {how}."] if where else []


# ----------------------------------------------------------------------------
# Networks for a recipe and a corpus


def without_corpus(data: Data) -> Attributes:
    """As many attributes as the recipe takes, named by numbers."""
    names = data.attributes if isinstance(data.attributes, tuple) else range(data.attributes)
    return Attributes(pitches=data.pitch_classes, names=tuple(str(name) for name in names))


def unfitted(data: Data, rate: int) -> Codec:
    return codec_from_config({**data.codec, "sample_rate": rate, "samples": round(data.seconds * rate)})


def counted_config(recipe: Any) -> ProgressiveConfig:
    """The plan of the networks by the recipe alone, whatever the corpus's rate: for counting."""
    attributes, phase = without_corpus(recipe.data), str(recipe.data.codec.get("kind")).endswith("if")
    sizes = {"pitches": attributes.pitches, "attributes": len(attributes.names)}
    return recipe.network.config(**sizes, channels=2 if phase else 1)


def network_config(recipe: Any, attributes: Attributes, codec: Codec) -> ProgressiveConfig:
    """The full plan of the networks.

    Raises:
        UserError: the network's output has another size than the representation's.
    """
    channels, bins, frames = codec.shape
    if recipe.network.pitch_comb and codec.config.kind.startswith("mel"):
        raise UserError(
            "network.pitch_comb needs a linear frequency axis: take data.codec.kind=if, or set it to false."
        )
    config = recipe.network.config(
        pitches=attributes.pitches,
        attributes=len(attributes.names),
        channels=channels,
        bin_hz=codec.sample_rate / codec.config.n_fft,
        first_bin=codec.first_bin,
    )
    if config.picture_size() != (bins, frames):
        raise UserError(
            f"The network of the recipe makes pictures of {config.picture_size()} (frequency, frame), the "
            f"representation's are {(bins, frames)}: change network.start and network.growth, or data.codec."
        )
    return config


# ----------------------------------------------------------------------------
# Starting from a bundle


def init_bundle(recipe: Any, corpus: Corpus) -> tuple[Bundle | None, list[str]]:
    """The bundle that a recipe's first weights are from, all its networks with it, or None; and what is worth saying.

    Raises:
        UserError: the bundle that it names does not fit.
    """
    if recipe.init == "scratch":
        return None, []
    if recipe.init == "auto" and not has_starter():
        return None, ["This installation ships no starter: training starts from scratch."]
    bundle = Bundle.from_pretrained("starter" if recipe.init == "auto" else recipe.init, discriminator=True)
    if reason := next(misfits(recipe, bundle, corpus), None):
        if recipe.init != "auto":
            raise UserError(f"The run cannot start from {recipe.init}: {reason}. Train with --from-scratch.")
        return None, [f"The starter does not fit ({reason}): training starts from scratch."]
    return bundle, [f"Training goes on from {'the starter' if recipe.init in ('auto', 'starter') else recipe.init}."]


def misfits(recipe: Any, bundle: Bundle, corpus: Corpus) -> Iterator[str]:
    """Why a recipe cannot start from a bundle, in words."""
    if bundle.architecture != PROGRESSIVE:
        yield f"it is an {bundle.architecture}"
        return
    data, there, names = recipe.data, bundle.attributes, bundle.attributes.names
    if bool(data.pitch_classes) != bool(there.pitches):
        yield "it has pitch classes, data.pitches has none" if there.pitches else "it has no pitch classes"
    if isinstance(data.attributes, tuple) and data.attributes != names:
        yield "its attributes are not data.attributes"
    if data.teacher != there.teacher and CLASSES in (data.teacher, there.teacher):
        yield f"its attributes are {there.teacher or 'none'}"
    elif there.teacher != CLASSES and isinstance(data.attributes, int) and data.attributes != len(names):
        yield f"it has {len(names)} attributes, the recipe asks for {data.attributes}"
    elif names and there.temperature != data.temperature:
        yield f"it was trained at temperature {there.temperature:g}, the recipe says {data.temperature:g}"
    codec = bundle.codec().config.model_dump()
    fitted = {key: codec[key] for key in ("low", "high", "sample_rate")}
    wanted = codec_from_config({**data.codec, "samples": round(data.seconds * codec["sample_rate"])}).config
    if keys := _different(wanted.model_dump() | fitted, codec):
        yield f"its representation differs in {keys}"
    held = bundle.gan.model_dump()
    new = {key for key, without in ADDITIONS.items() if held[key] == without}  # may be added to a trained network
    if bundle.gan.whiten and recipe.network.whiten:
        new.add("whiten")  # weights are made to fit
    network = network_config(recipe, there, bundle.codec()).model_dump(exclude=new)
    if keys := _different(network, held):
        yield f"its network differs in {keys}"
    if there.teacher == CLASSES:
        classes = tree_of(corpus, corpus.rows(data.split)).names
        yield from (f"it does not know the class {name!r}" for name in classes if name not in names)
    elif names:  # another teacher will do as long as it has a label for every attribute
        labels = Tags.open(corpus.path, data.teacher).labels
        yield from (f"{data.teacher} has no label {name!r}" for name in names if name not in labels)


def settings_like(bundle: Bundle) -> list[str]:
    """`key=value` that give the recipe of any such task the network, representation and attributes of a bundle.

    Raises:
        UserError: it is no GAN.
    """
    network, there = bundle.gan.model_dump(mode="json"), bundle.attributes
    codec = bundle.codec()
    fitted = ("low", "high", "sample_rate", "samples")
    settings = {
        "network": {key: network[key] for key in Network.model_fields},
        "data.codec": {key: value for key, value in codec.config.model_dump(mode="json").items() if key not in fitted},
        "data.seconds": codec.samples / codec.sample_rate,
        "data.pitches": [there.pitches[0], there.pitches[-1]] if there.pitches else None,
        "data.attributes": len(there.names),
        "data.teacher": there.teacher or Data().teacher,
        "data.temperature": there.temperature,
    }
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]


def _different(mine: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(key for key in mine if mine[key] != other[key])


def _repitched(there: Attributes, data: Data) -> tuple[Attributes, list[str]]:
    """The same attributes at a recipe's pitch classes; and how many of these are new."""
    pitches = data.pitch_classes
    new = len(set(pitches) - set(there.pitches))
    said = [f"{new} of {len(pitches)} pitch classes are new to it: each starts from the nearest known one."]
    return replace(there, pitches=pitches), said if new else []


def _relabelled(there: Attributes, data: Data, corpus: Corpus) -> tuple[Attributes, list[str]]:
    """The attributes of a bundle by the teacher whose tags are trained on from here; and what differs."""
    if not there.labelled_by:
        return there, []
    digest = Tags.open(corpus.path, data.teacher).digest
    now = replace(there, teacher=data.teacher, teacher_digest=digest)
    messages = []
    if now != there:
        before, after = (f"{one.teacher} ({one.teacher_digest[:12]}…)" for one in (there, now))
        messages.append(f"Its attributes were trained on labels by {before}; from here on they follow {after}.")
    try:
        own = choose_attributes(data, corpus).names
    except UserError:  # no ranking of the corpus's own, and none is needed
        own = there.names
    if other := [name for name in own if name not in there.names]:
        messages.append(
            f"It keeps its {len(there.names)} attributes, which lack {len(other)} of those chosen for the corpus "
            f"({other[0]}, …): --from-scratch takes the corpus's own."
        )
    return now, messages
