"""The autoencoder of notes: its run from corpus to bundle, and what it starts from.

Wasserstein autoencoders with musical conditioning (Bitton et al. 2019): an encoder without condition, a decoder given
note and style, a penalty that brings the latents to a normal prior, and one of two ways to keep the style out of them:
a latent discriminator (Fader networks), or the prior matched class by class.
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre import __version__
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.encoded import EncodedNotes, evenly
from darktimbre.bundle.inverter import InverterFolder
from darktimbre.bundle.where import SHIPPED_INVERTER
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.autoencoder import AutoencoderConfig, Decoder, Encoder
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted
from darktimbre.representation.codec import codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.dataset import fit_codec
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.sampling import ClassSampler, RowSampler, normal, uniform
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.autoencoder_networks import AutoencoderNetworks, network_config
from darktimbre.training.tasks.autoencoder_notes import styled_notes
from darktimbre.training.tasks.autoencoder_recipe import AutoencoderRecipe, ClassKind
from darktimbre.training.tasks.autoencoder_step import Batch, autoencoder_step
from darktimbre.training.tasks.base import Outcome, Plan, Task, shrunk_widths

NOTES_PER_SECOND = 45.0  # trained on, on one processor core that multiplies bfloat16
THROUGH_SOUND = 15.0  # where the sound of their spectrograms is compared as well
SNAPSHOT = 1_024  # notes whose latents are kept over training, at most
ENCODED_AT_ONCE = 64  # notes
KINDS: tuple[ClassKind, ...] = ("style", "octave", "semitone")


class AutoencoderTask(Task):
    """Encoder and decoder in training, and a latent discriminator where the recipe has one."""

    Recipe = AutoencoderRecipe
    accepts = frozenset({"--half"})
    one_process = True

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        recipe, self.settings = self.recipe, self.recipe.autoencoder
        self.dataset = styled_notes(recipe, corpus, plan.attributes)
        self.codec = codec_from_config(plan.codec)
        self.config = network_config(recipe, plan.attributes, self.codec)
        self.total = Schedule(recipe).total
        self.sampler = self._sampler()
        self.inverter = first_inverter(plan) if self.settings.sound else None
        if self.inverter:
            self.inverter.refuse_other_codec(self.codec.config)
        self.networks = AutoencoderNetworks(
            recipe, self.config, self.codec, context,
            styles=len(self.dataset.combinations), inverter=self.inverter,
        )  # fmt: skip

    def _sampler(self) -> RowSampler | ClassSampler:
        notes, data, seed, settings = self.dataset, self.recipe.data, self.recipe.seed, self.settings
        if settings.prior.by_class and settings.train_encoder:
            return ClassSampler(notes.combination, seed, settings.prior.groups)
        combinations = np.array([*notes.combinations, ""])[notes.combination]
        return RowSampler(len(notes.rows), seed, combinations, data.balance)

    @cached_property
    def classes(self) -> dict[ClassKind, Tensor]:
        """The notes' classes, (note,) each."""
        return {kind: self.dataset.classes(kind).to(self.context.device) for kind in KINDS}

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    def make_plan(cls, recipe: AutoencoderRecipe, corpus: Corpus) -> Plan:
        """Reads the bundle that the weights are from, or chooses attributes and fits the representation."""
        bundle = init_bundle(recipe)
        if bundle is None:
            notes = styled_notes(recipe, corpus)
            codec = fit_codec(recipe.data, notes)
            network_config(recipe, notes.attributes, codec)
            return Plan.of(recipe, corpus, notes.attributes, codec=codec.to_config(), messages=notes.remarks)
        notes, codec = styled_notes(recipe, corpus, bundle.attributes), bundle.codec()
        wanted = network_config(recipe, bundle.attributes, codec)
        if wanted != bundle.autoencoder:
            changed = _different(bundle.autoencoder, wanted)
            raise UserError(f"The run cannot start from {recipe.init}: its network differs ({changed}); {_AS_IT_IS}")
        return Plan.of(
            recipe, corpus, bundle.attributes, codec=codec.to_config(), messages=notes.remarks,
            init_from=f"{Path(recipe.init).name} {bundle.digest[:16]}",
        )  # fmt: skip

    def initialise(self) -> None:
        """Weights of the bundle that the plan names.

        Raises:
            UserError: another bundle is there by now.
        """
        bundle = init_bundle(self.plan.requested) if self.plan.init_from else None
        if bundle is None:
            return
        if not str(self.plan.init_from).endswith(bundle.digest[:16]):
            raise UserError(f"{self.recipe.init} is another bundle than the run was planned with: start a new run.")
        self.networks.decoder.load_state_dict(bundle.generator().state_dict())
        self.networks.encoder.load_state_dict(bundle.encoder_network().state_dict())

    @classmethod
    def dry_run(cls, recipe: AutoencoderRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        lines, attributes, rate = [], Attributes(), 16_000
        if corpus is not None:
            bundle = init_bundle(recipe)
            notes = styled_notes(recipe, corpus, bundle.attributes if bundle else None)
            attributes, rate = notes.attributes, corpus.sample_rate
            lines += [*notes.remarks, f"corpus: {len(notes.rows):,} of {len(corpus):,} notes are trained on"]
            lines.append(f"{len(notes.combinations)} combinations of {len(attributes.names)} style tags")
        codec = codec_from_config(
            {**recipe.data.codec, "sample_rate": rate, "samples": round(recipe.data.seconds * rate)}
        )
        config = network_config(recipe, attributes, codec)
        with torch.device("meta"):
            made = {"encoder": Encoder(config), "decoder": Decoder(config)}
        sizes = [f"{name}: {sum(p.numel() for p in one.parameters()):,} parameters" for name, one in made.items()]
        schedule, seconds = Schedule(recipe), duration(sum(cls.seconds(recipe, rate, accelerator)))
        run = f"{schedule.total:,} notes in {schedule.steps:,} steps, about {seconds} on one processor core"
        return [*lines, *sizes, run]

    @classmethod
    def seconds(cls, recipe: AutoencoderRecipe, sample_rate: int, device: str) -> list[float]:
        pace = THROUGH_SOUND if recipe.autoencoder.sound else NOTES_PER_SECOND
        return [(phase.stop - phase.first) / pace for phase in Schedule(recipe).phases]

    @classmethod
    def shrunk(cls, recipe: AutoencoderRecipe, **sections: Any) -> Any:
        network = recipe.network
        narrow = {
            "encoder_widths": shrunk_widths(network.encoder_widths),
            "decoder_widths": shrunk_widths(network.decoder_widths),
            "dense": (16, 16), "embedding": 8, "partial_width": 4, "discriminator_width": 16,
        }  # fmt: skip
        return super().shrunk(recipe, **({"network": network.model_copy(update=narrow)} | sections))

    # ------------------------------------------------------------------------
    # While it runs

    def step(self, state: StepState) -> dict[str, Tensor]:
        return autoencoder_step(self.networks, self.batch(state), state, state.notes_seen / self.total)

    def batch(self, state: StepState) -> Batch:
        """The notes of a step, and random numbers that are a function of the notes seen before it."""
        index, device = self.sampler.rows(state.notes_seen, state.batch), self.context.device
        waves = self.dataset.waves(index).to(device)
        with torch.no_grad():
            real = self.codec.encode(waves)
        pitch = torch.from_numpy(self.dataset.pitch[index]).to(device, torch.float32)
        prior, latent = self.settings.prior, self.config.latent
        sliced = prior.kind.endswith("sliced")
        drawn = ("directions", prior.directions) if sliced else ("prior", state.batch)
        return Batch(
            waves=waves,
            real=real,
            condition=self.dataset.condition(index, self.kept_styles(state)).to(device),
            pitch=torch.where(pitch >= 0, pitch, torch.nan),
            classes={kind: found[index] for kind, found in self.classes.items()},
            noise=self._normal("posterior", state, state.batch, latent),
            prior=self._normal(drawn[0], state, drawn[1], latent),
        )

    def _normal(self, purpose: str, state: StepState, *shape: int) -> Tensor:
        return normal(self.recipe.seed, purpose, state.notes_seen, shape).to(self.context.device)

    def kept_styles(self, state: StepState) -> Tensor:
        """(batch, tag) 0 or 1: of some notes all tags are left out, of others some."""
        condition, tags = self.settings.condition, len(self.plan.attributes.names)
        drawn = uniform(self.recipe.seed, "unsaid", state.notes_seen, (state.batch, 1 + tags))
        kept = (drawn[:, :1] >= condition.drop_styles) & (drawn[:, 1:] >= condition.drop_tag)
        return kept.float()

    def tensors(self) -> dict[str, Tensor]:
        return self.networks.tensors()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.networks.restore(tensors)

    # ------------------------------------------------------------------------
    # What it makes

    def encoded(self, index: NDArray[np.int64]) -> Tensor:
        """Latents of some notes by the encoder as it stands, (note, latent) on the CPU."""
        parts = np.split(index, np.arange(ENCODED_AT_ONCE, len(index), ENCODED_AT_ONCE))
        waves = (self.dataset.waves(part).to(self.context.device) for part in parts)
        return torch.cat([self.networks.encoded(self.codec.encode(one)).cpu() for one in waves])

    def snapshots(self) -> dict[str, dict[str, Tensor]]:
        index = evenly(len(self.dataset.rows), SNAPSHOT)
        return {"latents": {"latent": self.encoded(index), "row": torch.from_numpy(self.dataset.rows[index])}}

    def preview(self, state: StepState) -> Synthesizer:
        bundle = self.bundle(state.notes_seen + state.batch, {})
        return Synthesizer(bundle, self.context.device)

    def save(self, folder: Any, state: StepState, losses: dict[str, float], *, half: bool) -> Any:
        """Writes the instrument."""
        bundle = replace(self.bundle(state.notes_seen, losses), encoded=self.encoded_notes())
        return bundle.save_pretrained(folder, half=half)

    def bundle(self, notes_seen: int, losses: dict[str, float]) -> Bundle:
        """Decoder and encoder."""
        software = {"darktimbre": __version__, "torch": torch.__version__.split("+")[0]}
        config = {
            "architecture": "autoencoder",
            "network": self.config.model_dump(mode="json"),
            "attributes": self.plan.attributes.to_json(),
            "codec": self.plan.codec,
            "prior": "normal",
            "level": {"peak_db": self.recipe.data.peak_db},
            "baseline": self.dataset.baseline,
            "examples": self.dataset.examples(),
            "recipe": self.recipe.model_dump(mode="json"),
            "provenance": {"corpus": self.plan.corpus, "notes_seen": notes_seen, **software},
            "metrics": {"losses": losses} if losses else {},
        }
        if self.plan.init_from:
            config["provenance"]["begun from"] = self.plan.init_from
        networks = self.networks
        bundle = Bundle(config, networks.decoder.state_dict(), encoder=networks.encoder.state_dict())
        if self.inverter is None or networks.inverter is None:
            return bundle
        return bundle.joined(replace(self.inverter, weights=networks.inverter.state_dict()))

    def encoded_notes(self) -> EncodedNotes:
        """The training notes as points of the latent space, named by their styles and how loud they were played."""
        notes, chosen = self.dataset, evenly(len(self.dataset.rows))
        return EncodedNotes(
            latent=self.encoded(chosen).numpy(),
            level_db=notes.level_db[chosen].astype(np.float32),
            pitch=notes.pitch[chosen],
            styles=notes.soft_labels[chosen],
            names=tuple(notes.name(place) for place in chosen),
        )

    @classmethod
    def closing(cls, outcome: Outcome) -> list[str]:
        where = outcome.bundle
        return [f"The instrument is in {where}: play it with `darktimbre play {quoted(where)}`."] if where else []


def init_bundle(recipe: Any) -> Bundle | None:
    """The bundle that a recipe's first weights are from; None: random ones.

    Raises:
        UserError: there is none, it is no autoencoder, or has no encoder; or an encoder of random weights would stay.
    """
    if recipe.init == "scratch":
        if not recipe.autoencoder.train_encoder:
            raise UserError(
                "Only the decoder is trained, so the encoder must be a trained one: name its bundle with --init."
            )
        return None
    if recipe.init == "auto":
        raise UserError("An autoencoder starts from scratch or from a bundle of an autoencoder: name one with --init.")
    bundle = Bundle.from_pretrained(recipe.init)
    bundle.encoder_network()
    return bundle


def first_inverter(plan: Plan) -> InverterFolder:
    """The inversion network that a run with `autoencoder.sound` starts from, see `Sound.inverter`.

    Raises:
        UserError: there is none.
    """
    recipe: Any = plan.recipe
    named = recipe.autoencoder.sound.inverter
    bundle = init_bundle(plan.requested) if named is None and plan.init_from else None
    own = bundle.inverter_folder() if bundle else None
    return own or InverterFolder.from_pretrained(named or SHIPPED_INVERTER)


_AS_IT_IS = "take over its sizes, or train from scratch (--from-scratch)."


def _different(there: AutoencoderConfig, wanted: AutoencoderConfig) -> str:
    one, other = there.model_dump(), wanted.model_dump()
    return ", ".join(f"{key} {one[key]}, not {other[key]}" for key in one if one[key] != other[key])
