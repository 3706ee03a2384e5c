"""One training step of a GAN: D step, G step, the average follows (DarkGAN §4.3.2); or one of the warm start."""

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

from darktimbre.models.averaging import average_into
from darktimbre.models.progressive import DiscriminatorOutput
from darktimbre.objectives import logistic, wasserstein
from darktimbre.objectives.auxiliary import pitch_cross_entropy
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.objectives.gradient_penalty import gradient_penalty, r1_penalty
from darktimbre.objectives.kl import gaussian_kl
from darktimbre.objectives.mode_seeking import mode_seeking_loss
from darktimbre.objectives.reconstruction import frequency_error, magnitude_error, weighted_magnitude_error
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.gan_networks import (
    AdversarialRecipe,
    Batch,
    GanNetworks,
    WarmStart,
    frozen,
    precise,
    scores_of,
    scores_of_both,
)

Losses = dict[str, Tensor]
Loudness = Callable[[Tensor], Tensor]
"""Log-magnitude channel (batch, frequency, frame), scaled by the codec → linear magnitude, 1 at the loudest."""


def gan_step(networks: GanNetworks, batch: Batch, state: StepState, loudness: Loudness | None) -> Losses:
    """Trains both networks on one batch; returns the unweighted losses.

    With k critic steps, the G step comes in each k-th step alone: every D step then has notes and latents of its own,
    and a run may stop and go on between any two of them.
    """
    every = networks.recipe.objectives.critic_steps
    losses, fake = discriminator_step(networks, batch, state)
    if (state.step + 1) % every == 0:
        losses |= generator_step(networks, batch, state, fake, loudness)
        average_into(networks.averaged, networks.generator, notes=every * state.batch, half_life=state.half_life)
    return losses


# ----------------------------------------------------------------------------
# D step


def discriminator_step(networks: GanNetworks, batch: Batch, state: StepState) -> tuple[Losses, Tensor]:
    """One step of the discriminator; its losses and the fakes it was shown.

    It has one backward pass for the adversarial and auxiliary losses together. The penalty's graph is separate, so it
    has its own: fewer activations are alive at once, and nothing is computed twice.
    """
    recipe, autocast = networks.recipe, networks.context.autocast
    goals, temperature, weight = recipe.objectives, recipe.data.temperature, _head_weights(recipe)
    at, seen = networks.at(state), networks.seen(batch)

    with torch.no_grad(), autocast():
        fake = precise(networks.generator(batch.d_latent, batch.condition, **at))
    with autocast():
        on_real, on_fake = scores_of_both(networks.discriminator, batch.real, fake, **at, **seen)
        critic = _adversarial(recipe).critic_loss(real=on_real.score, fake=on_fake.score)
        heads = head_losses(on_real, batch, temperature)
        total = critic + goals.drift * wasserstein.drift(real=on_real.score)
        total = total + sum(weight[name] * loss for name, loss in heads.items())
        if goals.on_fakes:
            of_fakes = head_losses(on_fake, batch, temperature, label_mask=batch.label_mask)
            total = total + sum(weight[name] * loss for name, loss in of_fakes.items())
    total.backward()
    losses = {"critic": critic, **_named(heads, "real"), **_penalty_step(networks, batch, fake, state)}
    networks.update("discriminator", state)
    return losses, fake


def _penalty_step(networks: GanNetworks, batch: Batch, fake: Tensor, state: StepState) -> Losses:
    """Adds the penalty's gradients to the discriminator's, each `every`-th step with `every` times its weight."""
    penalty, at, seen = networks.recipe.objectives.penalty, networks.at(state), networks.seen(batch)
    if not penalty.active or state.step % penalty.every:
        return {}
    real, alphas, pac = batch.real, batch.mix, networks.discriminator.config.pac
    if pac > 1:  # what is scored together is one point, and has one gradient
        real, fake, alphas = real.unflatten(0, (-1, pac)), fake.unflatten(0, (-1, pac)), alphas[::pac]

    def score(inputs: Tensor) -> Tensor:
        inputs = inputs.flatten(0, 1) if pac > 1 else inputs
        return networks.discriminator(inputs, per_note=penalty.per_note, **at, **seen).score

    with networks.context.autocast():
        if penalty.kind == "gradient-penalty":
            size = gradient_penalty(score, real=real, fake=fake, alphas=alphas, reduction=penalty.reduction)
            # The processes' gradients are averaged: a sum over the global batch is their mean times their number.
            factor = float(networks.context.world) if penalty.reduction == "sum" else 1.0
        else:
            size, factor = r1_penalty(score, real=real), 0.5  # λ/2 · R1
    (penalty.weight * penalty.every * factor * size).backward()
    return {"penalty": size}


# ----------------------------------------------------------------------------
# G step


def generator_step(
    networks: GanNetworks, batch: Batch, state: StepState, fake: Tensor, loudness: Loudness | None
) -> Losses:
    """One step of the generator; `fake` is what it made of the same conditions for the D step."""
    recipe, autocast = networks.recipe, networks.context.autocast
    goals, weight = recipe.objectives, _head_weights(recipe)
    at, seen = networks.at(state), networks.seen(batch)
    losses: Losses = {}

    with frozen(networks.discriminator):
        with autocast():
            made = networks.generator(batch.g_latent, batch.condition, **at)
            scores = scores_of(networks.discriminator, made, **at, **seen)
            generator = _adversarial(recipe).generator_loss(fake=scores.score)
            heads = head_losses(scores, batch, recipe.data.temperature, label_mask=batch.label_mask)
            total = generator + sum(weight[name] * loss for name, loss in heads.items())
            if goals.mode_seeking:
                losses["mode_seeking"] = mode_seeking_loss(
                    first=precise(made), second=fake, first_latent=batch.g_latent, second_latent=batch.d_latent
                )
                # Either of a pair could have been the one with a gradient, so one alone has half of that of both.
                total = total + 2.0 * goals.mode_seeking * losses["mode_seeking"]
            if networks.encoder is not None and recipe.warm_start:
                with torch.no_grad():
                    latent = sample(*posterior_of(scores_of(networks.encoder, batch.real, **at, **seen)), batch.noise)
                made = networks.generator(latent, batch.condition, **at)
                losses["anchor"] = reconstruction_loss(recipe.warm_start, made=made, real=batch.real, loudness=loudness)
                total = total + recipe.warm_start.anchor * losses["anchor"]
        total.backward()
    networks.update("generator", state)
    return {**losses, "generator": generator, **_named(heads, "fake")}


# ----------------------------------------------------------------------------
# Warm start


def warm_start_step(networks: GanNetworks, batch: Batch, state: StepState, loudness: Loudness | None) -> Losses:
    """One step of a conditional autoencoder whose encoder is the discriminator's trunk (Larsen et al. 2016).

    Trains both networks by one backward pass, without adversarial scores; returns the unweighted losses.
    """
    recipe, warm, at = networks.recipe, networks.recipe.warm_start, networks.at(state)
    assert warm is not None
    weight = {"pitch": warm.pitch, "attributes": warm.attributes}

    with networks.context.autocast():
        scores = scores_of(networks.discriminator, batch.real, **at, **networks.seen(batch))
        mean, log_variance = posterior_of(scores)
        made = networks.generator(sample(mean, log_variance, batch.noise), batch.condition, **at)
        reconstruction = reconstruction_loss(warm, made=made, real=batch.real, loudness=loudness)
        kl = gaussian_kl(mean=mean, log_variance=log_variance) / mean.shape[1]
        heads = head_losses(scores, batch, recipe.data.temperature)
        ramp = min(1.0, (state.notes_seen + state.batch) / warm.kl_ramp) if warm.kl_ramp else 1.0
        total = warm.reconstruction * reconstruction + warm.kl * ramp * kl
        total = total + sum(weight[name] * loss for name, loss in heads.items())
    total.backward()
    networks.update("discriminator", state)
    networks.update("generator", state)
    average_into(networks.averaged, networks.generator, notes=state.batch, half_life=state.half_life)
    return {"reconstruction": reconstruction, "kl": kl, **_named(heads, "real")}


# ----------------------------------------------------------------------------
# Terms


def head_losses(
    scores: DiscriminatorOutput, batch: Batch, temperature: float, *, label_mask: Tensor | None = None
) -> Losses:
    """Unweighted losses `pitch` and `attributes` of the heads that there are; of fakes with their `label_mask`."""
    losses = {}
    if scores.pitch_logits is not None:
        losses["pitch"] = pitch_cross_entropy(pitch_logits=scores.pitch_logits, pitch_class=batch.pitch_class)
    if scores.attribute_logits is not None:
        losses["attributes"] = distillation_loss(
            student_logits=scores.attribute_logits,
            soft_labels=batch.soft_labels,
            temperature=temperature,
            label_mask=label_mask,
        )
    return losses


def reconstruction_loss(warm: WarmStart, *, made: Tensor, real: Tensor, loudness: Loudness | None) -> Tensor:
    """Magnitude error everywhere, and again where something sounds; there also circular frequency error. Scalar."""
    made = made.float()
    loss = magnitude_error(made=made[:, 0], real=real[:, 0], power=warm.magnitude_power)
    if loudness is not None:
        magnitude = loudness(real[:, 0])
        weight = (magnitude / magnitude.amax(dim=(1, 2), keepdim=True)) ** warm.loudness_power
        loss = loss + warm.loud * weighted_magnitude_error(made=made[:, 0], real=real[:, 0], weight=weight)
        loss = loss + warm.frequency * frequency_error(made=made[:, 1], real=real[:, 1], weight=weight)
    return loss


def posterior_of(scores: DiscriminatorOutput) -> tuple[Tensor, Tensor]:
    """Mean and log-variance (batch, latent) of z given the spectrogram; the latter within bounds of its exponential."""
    assert scores.posterior is not None  # the recipe was checked
    mean, log_variance = scores.posterior.chunk(2, dim=1)
    return mean, log_variance.clamp(-10.0, 4.0)


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ε (Kingma & Welling 2014, eq. 10)."""
    return mean + torch.exp(0.5 * log_variance) * noise


def _adversarial(recipe: AdversarialRecipe) -> ModuleType:
    return wasserstein if recipe.objectives.adversarial == "wasserstein" else logistic


def _head_weights(recipe: AdversarialRecipe) -> dict[str, float]:
    return {"pitch": recipe.objectives.pitch, "attributes": recipe.objectives.attributes}


def _named(losses: Losses, suffix: str) -> Losses:
    """The losses under their names in the journal."""
    return {f"{name}_{suffix}": value for name, value in losses.items()}
