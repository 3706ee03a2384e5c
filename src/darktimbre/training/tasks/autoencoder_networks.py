"""The networks of an autoencoder in training, with their optimisers."""

from typing import Any

import torch
from torch import Tensor, nn

from darktimbre.bundle.inverter import InverterFolder
from darktimbre.models.autoencoder import COARSEST, AutoencoderConfig, Decoder, Encoder, LatentDiscriminator
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.autoencoder_recipe import AutoencoderRecipe


class AutoencoderNetworks:
    """Encoder and decoder; a latent discriminator and an inversion network where the recipe has them."""

    def __init__(
        self,
        recipe: AutoencoderRecipe,
        config: AutoencoderConfig,
        codec: Codec,
        context: DistributedContext,
        *,
        styles: int,
        inverter: InverterFolder | None,
    ) -> None:
        """Random weights, by the recipe's seed.

        Args:
            recipe: what is trained.
            config: the plan of the networks.
            codec: the representation.
            context: where to compute.
            styles: how many combinations of style tags the latent discriminator tells apart.
            inverter: the inversion network of a recipe with `autoencoder.sound`.
        """
        self.recipe, self.settings, self.config, self.context = recipe, recipe.autoencoder, config, context
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.encoder, self.decoder = Encoder(config), Decoder(config)
            self.fader = LatentDiscriminator(config, styles) if self.settings.fader else None
        self.inverter = inverter.build() if inverter else None
        for name, network in self.all().items():
            network.to(context.device).requires_grad_(self.trains(name))
        self.codec = Codec(codec.config, inverter=self.inverter)
        self.adam = {
            name: torch.optim.Adam(network.parameters(), betas=recipe.optimiser.betas, fused=True)
            for name, network in self.all().items()
            if self.trains(name)
        }

    def all(self) -> dict[str, nn.Module]:
        """Those that there are, by name."""
        made = {"encoder": self.encoder, "decoder": self.decoder, "fader": self.fader, "inverter": self.inverter}
        return {name: network for name, network in made.items() if network is not None}

    def trains(self, name: str) -> bool:
        """Whether a network is trained, or stays as it is."""
        if name == "inverter":
            return bool(self.settings.sound and self.settings.sound.end_to_end)
        return name != "encoder" or self.settings.train_encoder

    def prepare(self, progress: float) -> None:
        """Batch norms keep their averages from a share of the run on, and in an encoder that is not trained."""
        for network in self.all().values():
            network.train()
        if progress >= self.settings.settled or not self.settings.train_encoder:
            self.encoder.eval()

    def update(self, name: str, state: StepState) -> None:
        """A step of a network's optimiser; gradients dropped."""
        optimiser, settings = self.recipe.optimiser, self.settings
        rates = {
            "decoder": optimiser.generator_lr,
            "fader": settings.fader.lr if settings.fader else None,
            "inverter": settings.sound.lr if settings.sound else None,
        }
        for group in self.adam[name].param_groups:
            group["lr"] = (rates.get(name) or optimiser.lr) * state.rate
        self.adam[name].step()
        self.adam[name].zero_grad(set_to_none=True)

    @torch.no_grad()
    def encoded(self, spectrograms: Tensor) -> Tensor:
        """Latents (note, latent) by the encoder as it stands and as it is used, with its averages."""
        training = self.encoder.training
        self.encoder.eval()
        latent: Tensor = self.encoder(spectrograms)
        self.encoder.train(training)
        return latent

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments by name."""
        kept: dict[str, Tensor] = {}
        for name, network in self.all().items():
            kept |= module_tensors(name, network)
            if name in self.adam:
                kept |= optimiser_tensors(f"adam-{name}", self.adam[name], network)
        return kept

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        for name, network in self.all().items():
            restore_module(name, network, tensors)
            if name in self.adam:
                restore_optimiser(f"adam-{name}", self.adam[name], network, tensors)


def network_config(recipe: AutoencoderRecipe, attributes: Attributes, codec: Codec) -> AutoencoderConfig:
    """The full plan of the networks.

    Raises:
        UserError: the representation has a size, or a kind, that the networks cannot have.
    """
    channels, bands, frames = codec.shape
    if codec.config.kind != "mel-logmag":
        raise UserError("An autoencoder takes mel spectrograms without phase: set data.codec.kind=mel-logmag.")
    if bands % COARSEST or frames % COARSEST:
        fitting = -(-frames // COARSEST) * COARSEST
        raise UserError(
            f"The spectrograms are of {bands} bands and {frames} frames; an autoencoder halves both five times: set "
            f"data.codec.mel_bands to a multiple of {COARSEST}, and data.codec.frames={fitting}."
        )
    facts: dict[str, Any] = {"sample_rate": codec.sample_rate, "n_fft": codec.config.n_fft, "hop": codec.config.hop}
    sizes: dict[str, Any] = {"channels": channels, "bands": bands, "frames": frames}
    known: dict[str, Any] = {"pitches": attributes.pitches, "styles": len(attributes.names)}
    return AutoencoderConfig(**recipe.network.model_dump(), **known, **sizes, **facts)
