"""One training step of an autoencoder:  z = E(x),  x̂ = D(z + σε, note, style)

    (E, D) ← Adam(∇ reconstruction(x̂, x) + λ · distance(z, N(0, I)) + α · hidden style(F(z)))
    F ← Adam(∇ cross-entropy(F(z), style))

With an inversion network I, the waves I(x̂) are compared with the note's, too; end to end, I ← Adam(∇ all of it).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from darktimbre.objectives.fader import hidden_style, style_cross_entropy
from darktimbre.objectives.inversion import convergence_loss, log_magnitude_loss, modulus
from darktimbre.objectives.prior import classwise_sliced_wasserstein, mmd_imq, mmd_rbf, sliced_wasserstein
from darktimbre.objectives.reconstruction import magnitude_error, weighted_magnitude_error
from darktimbre.objectives.texture import broadband, contrast_error, grouped, modulation_error
from darktimbre.representation import stft
from darktimbre.representation.codec import SPAN, Codec
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.autoencoder_networks import AutoencoderNetworks
from darktimbre.training.tasks.autoencoder_recipe import ClassKind, Reconstruction, Sound

COMMON = 16  # neighbouring bands whose common modulation is compared

Losses = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """The notes of a step, and its random numbers."""

    waves: Tensor  # (batch, sample)
    real: Tensor  # their spectrograms (batch, 1, frequency, frame)
    condition: Tensor  # (batch, size), styles dropped out
    pitch: Tensor  # (batch,) MIDI numbers; NaN: none
    classes: Mapping[ClassKind, Tensor]  # (batch,) each; −1: none
    noise: Tensor  # (batch, latent) N(0, 1), added to the latents
    prior: Tensor  # (batch, latent) N(0, 1); of the sliced kinds, directions (direction, latent) N(0, 1)


def autoencoder_step(networks: AutoencoderNetworks, batch: Batch, state: StepState, progress: float) -> Losses:
    """Trains all networks on one batch at a share of the run; returns the unweighted losses."""
    settings = networks.settings
    networks.prepare(progress)
    with networks.context.autocast():
        latent = networks.encoder(batch.real).float()
        made = networks.decoder(latent + settings.noise * batch.noise, batch.condition).float()
    losses, weighted = reconstruction_losses(settings.reconstruction, networks.codec, made[:, 0], batch.real[:, 0])
    if settings.sound:
        of_sound, weight = sound_losses(settings.sound, networks.codec, made, batch)
        losses, weighted = losses | of_sound, weighted + weight
    if settings.train_encoder:
        losses["prior"] = prior_distance(networks, latent, batch)
        weighted = weighted + settings.prior.weight * losses["prior"]
    if settings.fader and networks.fader is not None:
        losses["fader"] = train_fader(networks, latent.detach(), batch.classes["style"], state)
        losses["hidden"] = hidden_style(logits=networks.fader(latent), style=batch.classes["style"])
        weighted = weighted + settings.fader.alpha(progress) * losses["hidden"]
    weighted.backward()
    for name in networks.adam:
        if name != "fader":
            networks.update(name, state)
    if "fader" in networks.adam:
        networks.adam["fader"].zero_grad(set_to_none=True)  # what passed through it on the way to the encoder
    return losses


def reconstruction_losses(weights: Reconstruction, codec: Codec, made: Tensor, real: Tensor) -> tuple[Losses, Tensor]:
    """The parts of the error of spectrograms (batch, frequency, frame), and their weighted sum."""
    nepers = (codec.high - codec.low) / (2 * SPAN)
    together = (partial(grouped, bands=COMMON), partial(broadband, nepers=nepers))
    errors = {
        "level": magnitude_error(made=made, real=real),
        "loud": weighted_magnitude_error(made=made, real=real, weight=(real + SPAN).clamp(min=0)),
        "contrast": contrast_error(made=made, real=real),
        "modulation": modulation_error(made=made, real=real),
        "common": torch.stack([modulation_error(made=way(made), real=way(real)) for way in together]).sum(),
    }
    return errors, torch.stack([getattr(weights, name) * error for name, error in errors.items()]).sum()


def sound_losses(weights: Sound, codec: Codec, made: Tensor, batch: Batch) -> tuple[Losses, Tensor]:
    """The parts of the error of the sound of spectrograms (batch, 1, frequency, frame), and their weighted sum."""
    inverted = codec.decode(made, batch.pitch)
    convergence, log_magnitude = [], []
    for window in weights.windows:
        x, y = (modulus(stft.forward(one, n_fft=window, hop=window // 4)) for one in (batch.waves, inverted))
        convergence.append(convergence_loss(made=y, real=x))
        log_magnitude.append(log_magnitude_loss(made=y, real=x, floor=weights.floor))
    losses = {"convergence": torch.stack(convergence).mean(), "log_magnitude": torch.stack(log_magnitude).mean()}
    return losses, weights.convergence * losses["convergence"] + weights.log_magnitude * losses["log_magnitude"]


def prior_distance(networks: AutoencoderNetworks, latent: Tensor, batch: Batch) -> Tensor:
    """How far latents (batch, latent) are from the prior."""
    kind = networks.settings.prior.kind
    if kind.startswith("mmd"):
        return {"mmd-rbf": mmd_rbf, "mmd-imq": mmd_imq}[kind](latent=latent, prior=batch.prior)
    directions = batch.prior / batch.prior.norm(dim=1, keepdim=True)
    if kind == "sliced":
        return sliced_wasserstein(latent=latent, directions=directions)
    by_class = networks.settings.prior.by_class
    distances = [
        classwise_sliced_wasserstein(latent=latent, classes=batch.classes[of], directions=directions) for of in by_class
    ]
    return torch.stack(distances).mean()


def train_fader(networks: AutoencoderNetworks, latent: Tensor, style: Tensor, state: StepState) -> Tensor:
    """Steps of the latent discriminator; its loss in the last."""
    assert networks.settings.fader is not None
    assert networks.fader is not None
    for _ in range(networks.settings.fader.steps):
        loss = style_cross_entropy(logits=networks.fader(latent), style=style)
        loss.backward()
        networks.update("fader", state)
    return loss.detach()
