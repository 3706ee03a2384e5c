"""The GAN of notes: its recipe, its run from corpus to bundle, and what it starts from."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from darktimbre.bundle.bundle import PROGRESSIVE, Bundle
from darktimbre.bundle.where import has_starter
from darktimbre.corpus.classes import leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.config import Heads, ProgressiveConfig, ProgressiveSizes, Size
from darktimbre.models.layers import at_stage, enlarge
from darktimbre.models.progressive import Discriminator, Generator
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import SPAN, Codec, codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.training.dataset import augmented, choose_attributes, fit_codec, label_mask, note_dataset, tree_of
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.recipe import Data, PhaseKind, Stage
from darktimbre.training.sampling import RowSampler, uniform
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Outcome, Plan, shrunk_widths, smoke_size
from darktimbre.training.tasks.gan_cost import estimate, step_macs
from darktimbre.training.tasks.gan_networks import AdversarialRecipe, AdversarialTask, Batch
from darktimbre.training.tasks.gan_step import Loudness, gan_step, warm_start_step

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


class GanRecipe(AdversarialRecipe):
    """The recipe of an instrument."""

    task: Literal["gan"] = "gan"
    network: Network

    uses = frozenset({"init", "averaging", "fade", "scale"})

    @property
    def pac(self) -> int:
        """How many notes the discriminator scores together."""
        return self.network.pac

    def scale(self, stage: int) -> int:
        """Size of the network (0: `start`) that a stage of the schedule trains."""
        chosen = self.schedule[stage].scale
        return stage if chosen is None else chosen

    def phases(self) -> Iterator[tuple[PhaseKind, int, int, Stage]]:
        """The warm start, at the first stage's size, then the stages."""
        if self.warm_start:
            yield "warm", 0, self.scale(0), Stage(notes=self.warm_start.notes, batch=self.warm_start.batch)
        for index, stage in enumerate(self.schedule):
            yield self.phase, index, self.scale(index), stage

    @model_validator(mode="after")
    def _consistent(self) -> "GanRecipe":
        if self.network.pitch_comb and not self.data.pitches:
            raise ValueError("a pitch comb needs pitches: where data.pitches is null, set network.pitch_comb to false")
        if self.network.pitch_comb and str(self.data.codec.get("kind")).endswith("logmag"):
            raise ValueError("a pitch comb shapes phases too: with a logmag codec, set network.pitch_comb to false")
        for index, stage in enumerate(self.schedule):
            if stage.batch % self.network.pac:
                raise ValueError(
                    f"schedule.{index}.batch is {stage.batch}; it must be a multiple of network.pac, {self.network.pac}"
                )
        scales = [self.scale(index) for index in range(len(self.schedule))]
        last = len(self.network.growth)
        if max(scales) > last:
            raise ValueError(f"the schedule has scale {max(scales)}, the network has scales 0 to {last}")
        if not self.network.grow and min(scales) < last:
            raise ValueError(
                f"a network that does not grow (grow: false) has only its last scale: write `scale: {last}` in each "
                "stage"
            )
        if scales != sorted(scales):
            raise ValueError("the scales of the schedule must not go down")
        if self.warm_start and not self.network.posterior:
            raise ValueError("a warm start needs network.posterior: true (the encoder's head)")
        if self.warm_start and self.warm_start.anchor and len(set(scales)) > 1:
            raise ValueError("warm_start.anchor needs a schedule of one size: the encoder knows no other")
        return self


class GanTask(AdversarialTask):
    """A generator and a discriminator of notes."""

    Recipe = GanRecipe
    accepts = frozenset({"--half", "--evaluate-every", "--keep-best", "--weights"})
    evaluated_by = "teacher"
    unfinished = "the network has not grown to its full size"

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        recipe, data = self.recipe, self.recipe.data
        self.dataset = note_dataset(data, corpus, plan.attributes)
        self.codec = codec_from_config(plan.codec)
        self.config = network_config(recipe, plan.attributes, self.codec)
        leaves = leaf_of(corpus, self.dataset.rows) if data.balance else None
        self.sampler = RowSampler(len(self.dataset.rows), recipe.seed, leaves, data.balance)
        self.build(Generator, Discriminator)

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    def make_plan(cls, recipe: GanRecipe, corpus: Corpus) -> Plan:
        """Reads the bundle that the weights are from, or chooses attributes and fits the representation."""
        bundle, messages = init_bundle(recipe, corpus)
        if bundle is None:
            attributes = choose_attributes(recipe.data, corpus)
            codec = fit_codec(recipe.data, note_dataset(recipe.data, corpus, attributes))
            plan = Plan.of(recipe, corpus, attributes, codec=codec.to_config(), messages=messages)
        else:
            # Trained weights are not to be forgotten: the average leaves them slowly from the first step on.
            update: dict[str, Any] = {"averaging": recipe.averaging.model_copy(update={"ramp": None})}
            if bundle.discriminator is not None:
                update["warm_start"] = None
            attributes, others = _relabelled(bundle.attributes, recipe.data, corpus)
            plan = Plan.of(
                recipe, corpus, attributes, recipe=recipe.model_copy(update=update), codec=bundle.codec().to_config(),
                init_from=f"{Path(recipe.init).name if recipe.init != 'auto' else 'starter'} {bundle.digest[:16]}",
                messages=messages + others,
            )  # fmt: skip
        network_config(recipe, plan.attributes, codec_from_config(plan.codec))
        return plan

    @classmethod
    def dry_run(cls, recipe: GanRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        lines = []
        if corpus is not None:
            attributes = choose_attributes(recipe.data, corpus)
            rows = note_dataset(recipe.data, corpus, attributes).rows
            lines.append(f"corpus: {len(rows):,} of {len(corpus):,} notes of {corpus.name} are trained on")
        else:
            attributes = _without_corpus(recipe.data)
        rate = corpus.sample_rate if corpus else RATE
        codec = _unfitted(recipe.data, rate)
        config = network_config(recipe, attributes, codec)
        gpu = accelerator != "cpu" and torch.cuda.is_available()
        cost, schedule = estimate(recipe, config, torch.device("cuda" if gpu else "cpu")), Schedule(recipe)
        lines += [
            f"picture: {' × '.join(map(str, codec.shape))} (channel × frequency × frame)",
            f"condition: {config.condition} numbers, latent: {config.latent}",
            f"generator: {cost.generator:,} parameters; discriminator: {cost.discriminator:,} parameters",
            f"memory: about {cost.memory / 1e9:.1f} GB",
        ]
        for part, macs, seconds in zip(schedule.phases, cost.macs, cost.seconds, strict=True):
            name = "warm start" if part.kind == "warm" else f"stage {part.stage + 1}"
            size = config.picture_size(part.scale)
            lines.append(
                f"{name}: {part.stop - part.first:,} notes of {size[0]} × {size[1]}, batch {part.batch}, "
                f"{macs / 1e9:.1f} GMAC a note, about {duration(seconds)}"
            )
        total = f"{schedule.total:,} notes in {schedule.steps:,} steps"
        measured = f"at {cost.gmacs_per_second:.0f} GMAC/s, as a convolution ran here just now"
        return [*lines, f"whole run: {total}, about {duration(sum(cost.seconds))} {measured}"]

    @classmethod
    def seconds(cls, recipe: GanRecipe, sample_rate: int, device: str) -> list[float]:
        """By its multiplications and the processor's speed just now."""
        config = network_config(recipe, _without_corpus(recipe.data), _unfitted(recipe.data, sample_rate))
        return list(estimate(recipe, config, torch.device(device)).seconds)

    @classmethod
    def shrunk(cls, recipe: GanRecipe, **sections: Any) -> Any:
        batch, notes = smoke_size(recipe)
        network, warm = recipe.network, recipe.warm_start
        critic_widths = network.critic_widths and shrunk_widths(network.critic_widths)
        narrow = {"widths": shrunk_widths(network.widths), "critic_widths": critic_widths, "hidden": 32}
        short = {"notes": notes, "batch": batch, "kl_ramp": 0}
        sections["warm_start"] = warm and warm.model_copy(update=short)
        return super().shrunk(recipe, network=network.model_copy(update=narrow), **sections)

    @classmethod
    def check_flags(cls, recipe: GanRecipe, flags: Collection[str]) -> None:
        """No teacher can score instruments that play classes."""
        super().check_flags(recipe, flags)
        if recipe.data.teacher == CLASSES and {"--evaluate-every", "--keep-best"} & set(flags):
            raise UserError(
                "No teacher knows the classes of a corpus: leave out --evaluate-every and --keep-best, and evaluate "
                "the bundle with a classifier (`darktimbre evaluate`)."
            )

    # ------------------------------------------------------------------------
    # While it runs

    def initialise(self) -> None:
        """Weights of the bundle that the plan names.

        Raises:
            UserError: another bundle is there by now.
        """
        requested = self.plan.requested
        if self.plan.init_from is None:
            return
        assert isinstance(requested, GanRecipe)
        bundle, _ = init_bundle(requested, self.corpus)
        if bundle is None or not self.plan.init_from.endswith(bundle.digest[:16]):
            raise UserError(
                f"The run was to start from {self.plan.init_from}…, which is not there any more: start a new run."
            )
        weights, critic = bundle.generator().state_dict(), bundle.critic()
        self.networks.generator.load_state_dict(weights)
        self.networks.averaged.load_state_dict(weights)
        if critic is not None:
            self.networks.discriminator.load_state_dict(critic.state_dict())

    def step(self, state: StepState) -> dict[str, Tensor]:
        self.networks.prepare(state)
        one_step = warm_start_step if state.phase == "warm" else gan_step
        return one_step(self.networks, self.batch(state), state, self.loudness)

    def batch(self, state: StepState) -> Batch:
        """This process's part of a step: the same numbers on every machine, cut into consecutive slices."""
        device, part = self.context.device, self.context.rank_slice(state.batch)
        index = self.sampler.rows(state.notes_seen, state.batch)[part]
        mask, pitch_class = self._label_mask(state, part), self.dataset.pitch_class
        with torch.no_grad():
            full = self.codec.encode(self._waves(index, state, part).to(device))
            sizes = [self.config.picture_size(scale) for scale in range(state.scale + 1)]
            coarse = sizes[-2] if len(sizes) > 1 else None
            real = at_stage(full, sizes[-1], coarse, state.alpha)
        return self.batch_of(
            state,
            real,
            self.dataset.condition(index, mask),
            pitch_class=torch.from_numpy(pitch_class[index] if len(pitch_class) else pitch_class).to(device),
            soft_labels=torch.from_numpy(self.dataset.soft_labels[index]).to(device),
            label_mask=None if mask is None else mask.to(device),
            noise=self.latent("posterior", state),
        )

    def _waves(self, index: NDArray[np.int64], state: StepState, part: slice) -> Tensor:
        """Sound of a step's notes, (batch, sample), changed a little where the recipe says so."""
        waves, choices = self.dataset.waves(index), self.recipe.data.augment
        if not choices:
            return waves
        moves = uniform(self.recipe.seed, "augment", state.notes_seen, (state.batch, 3))[part]
        return augmented(waves, moves.numpy(), choices, self.corpus.sample_rate)

    def _label_mask(self, state: StepState, part: slice) -> Tensor | None:
        """Which labels of a step's notes the condition keeps, (batch, label); None: all."""
        data = self.recipe.data
        dropped = {"drop_class": data.drop_class, "drop_subclass": data.drop_subclass}
        if not any(dropped.values()):  # always so, but with the class tree
            return None
        place = {"seed": self.recipe.seed, "notes_seen": state.notes_seen, "batch": state.batch}
        return label_mask(self.plan.attributes.names, **dropped, **place)[part]

    @property
    def loudness(self) -> Loudness | None:
        """Linear magnitude of the log channel, by which frequency errors count; None without a frequency channel."""
        if self.codec.shape[0] < 2:
            return None
        slope = (self.codec.high - self.codec.low) / (2 * SPAN)
        return lambda level: torch.exp((level - SPAN) * slope)

    def costs(self) -> dict[int, float]:
        penalty = self.recipe.objectives.penalty
        return {scale: step_macs(self.config, scale, penalty) for scale in range(self.config.last + 1)}

    # ------------------------------------------------------------------------
    # What it makes

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path | None:
        """Writes the bundle; None while the generator is not full-size."""
        if state.scale < self.config.last:
            return None
        return self.bundle(state.notes_seen, losses).save_pretrained(folder, half=half)

    def preview(self, state: StepState) -> Synthesizer:
        """The averaged generator as an instrument; while it grows, its output is enlarged to the full size."""
        instrument = Synthesizer(self.bundle(state.notes_seen + state.batch, {}), self.context.device)
        if state.scale < self.config.last:
            instrument.network = Enlarged(self.networks.averaged, state)
        return instrument

    def bundle(self, notes_seen: int, losses: dict[str, float]) -> Bundle:
        """The averaged generator with all that playing needs; the discriminator goes along for further training."""
        plan, attributes = self.plan, self.plan.attributes
        provenance = self.provenance(notes_seen)
        provenance["teacher"] = {"name": attributes.teacher, "digest": attributes.teacher_digest}
        if plan.init_from:
            provenance["begun from"] = plan.init_from
        config = {
            "network": self.config.model_dump(mode="json"),
            "attributes": attributes.to_json(),
            "codec": plan.codec,
            "baseline": self.dataset.baseline,
            "examples": self.dataset.examples(),
            "recipe": self.recipe.model_dump(mode="json"),
            "provenance": provenance,
            "metrics": {"losses": losses} if losses else {},
        }
        return Bundle(config, self.networks.averaged.state_dict(), self.networks.discriminator.state_dict())

    @classmethod
    def closing(cls, outcome: Outcome) -> list[str]:
        where = outcome.bundle
        how = f"play it with `darktimbre synth random {where} sounds`"
        return [f"The instrument is in {where}: {how}."] if where else []


class Enlarged(nn.Module):
    """A generator that has not grown up, with its output brought to the full size."""

    def __init__(self, generator: Generator, state: StepState) -> None:
        super().__init__()
        self.generator, self.state = generator, state

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """As a full generator: (batch, latent), (batch, size) → (batch, channel, frequency, frame)."""
        made = self.generator(latent, condition, stage=self.state.scale, alpha=self.state.alpha)
        full = self.generator.config.picture_size()
        return enlarge(made, (full[0] // made.shape[2], full[1] // made.shape[3]))


# ----------------------------------------------------------------------------
# Networks for a recipe and a corpus


def _without_corpus(data: Data) -> Attributes:
    """As many attributes as the recipe takes, named by numbers."""
    names = data.attributes if isinstance(data.attributes, tuple) else range(data.attributes)
    return Attributes(pitches=data.pitch_classes, names=tuple(str(name) for name in names))


def _unfitted(data: Data, rate: int) -> Codec:
    return codec_from_config({**data.codec, "sample_rate": rate, "samples": round(data.seconds * rate)})


def network_config(recipe: GanRecipe, attributes: Attributes, codec: Codec) -> ProgressiveConfig:
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


def init_bundle(recipe: GanRecipe, corpus: Corpus) -> tuple[Bundle | None, list[str]]:
    """The bundle that a recipe's first weights are from, with its discriminator, or None; and what is worth saying.

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
    kept = "" if bundle.discriminator is not None else " It holds no discriminator: that one starts anew."
    return bundle, [f"Training goes on from {'the starter' if recipe.init == 'auto' else recipe.init}.{kept}"]


def misfits(recipe: GanRecipe, bundle: Bundle, corpus: Corpus) -> Iterator[str]:
    """Why a recipe cannot start from a bundle, in words."""
    if bundle.architecture != PROGRESSIVE:
        yield f"it is an {bundle.architecture}"
        return
    data, there, names = recipe.data, bundle.attributes, bundle.attributes.names
    if data.pitch_classes != there.pitches:
        yield "its pitch classes are not data.pitches"
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
    if keys := _different(network_config(recipe, there, bundle.codec()).model_dump(), bundle.gan.model_dump()):
        yield f"its network differs in {keys}"
    if there.teacher == CLASSES:
        classes = tree_of(corpus, corpus.rows(data.split)).names
        yield from (f"it does not know the class {name!r}" for name in classes if name not in names)
    elif names:  # another teacher will do as long as it has a label for every attribute
        labels = Tags.open(corpus.path, data.teacher).labels
        yield from (f"{data.teacher} has no label {name!r}" for name in names if name not in labels)


def _different(mine: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(key for key in mine if mine[key] != other[key])


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
