"""One step of the game: a turn of the discriminator, a turn of the generator, the average follows (DarkGAN §4.3.2)."""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from darktimbre.models.averaging import average_into
from darktimbre.objectives import logistic, wasserstein
from darktimbre.objectives.gradient_penalty import slope_penalty, zero_centred_penalty
from darktimbre.objectives.mode_seeking import mode_seeking_loss
from darktimbre.training.players import Batch, Players, frozen, judge, judge_both, precise
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Moment
from darktimbre.training.steps.conditioning import conditioning_losses, named
from darktimbre.training.steps.reconstruction import Loudness, drawn, posterior_of, reconstruction_loss


def gan_step(players: Players[Any, Any], batch: Batch, moment: Moment, loudness: Loudness | None) -> dict[str, Tensor]:
    """Trains both networks on one batch; returns the unweighted losses.

    With k critic steps, the generator's turn comes in each k-th step alone: every turn of the discriminator then has
    notes and latents of its own, and a run may stop and go on between any two of them.
    """
    at, turns = players.at(moment), players.recipe.objectives.critic_steps
    losses, fake = _discriminators_turn(players, batch, moment, at)
    if (moment.step + 1) % turns == 0:
        losses |= _generators_turn(players, batch, moment, at, fake, loudness)
        average_into(players.averaged, players.generator, notes=turns * moment.batch, half_life=moment.half_life)
    return losses


def _discriminators_turn(
    players: Players[Any, Any], batch: Batch, moment: Moment, at: dict[str, Any]
) -> tuple[dict[str, Tensor], Tensor]:
    """One step of the discriminator; its losses and the fakes it was shown.

    It has one backward pass for the adversarial and auxiliary losses together. The penalty's graph is separate, so it
    has its own: fewer activations are alive at once, and nothing is computed twice.
    """
    recipe, computing, shown = players.recipe, players.hardware.computing, players.shown(batch)
    goals, temperature, weight = recipe.objectives, recipe.data.temperature, _weights(recipe)

    with torch.no_grad(), computing():
        fake = precise(players.generator(batch.critic_latent, batch.condition, **at))
    with computing():
        on_real, on_fake = judge_both(players.discriminator, batch.pictures, fake, **at, **shown)
        critic = _game(recipe).critic_loss(real=on_real.score, fake=on_fake.score)
        learnt = conditioning_losses(on_real, batch, temperature)
        total = critic + goals.drift * wasserstein.drift(real=on_real.score)
        total = total + sum(weight[name] * loss for name, loss in learnt.items())
        if goals.on_fakes:
            asked = conditioning_losses(on_fake, batch, temperature, told=batch.told)
            total = total + sum(weight[name] * loss for name, loss in asked.items())
    total.backward()
    losses = {"critic": critic, **named(learnt, "real"), **_penalise(players, batch, fake, moment, at)}
    players.settle("discriminator", moment)
    return losses, fake


def _generators_turn(
    players: Players[Any, Any],
    batch: Batch,
    moment: Moment,
    at: dict[str, Any],
    fake: Tensor,
    loudness: Loudness | None,
) -> dict[str, Tensor]:
    """One step of the generator; `fake` are what it made of the same conditions for the discriminator's turn."""
    recipe, computing, shown = players.recipe, players.hardware.computing, players.shown(batch)
    goals, weight, losses = recipe.objectives, _weights(recipe), {}

    with frozen(players.discriminator):
        with computing():
            made = players.generator(batch.generator_latent, batch.condition, **at)
            verdict = judge(players.discriminator, made, **at, **shown)
            generator = _game(recipe).generator_loss(fake=verdict.score)
            learnt = conditioning_losses(verdict, batch, recipe.data.temperature, told=batch.told)
            total = generator + sum(weight[name] * loss for name, loss in learnt.items())
            if goals.mode_seeking:
                losses["mode_seeking"] = mode_seeking_loss(
                    first=precise(made),
                    second=fake,
                    first_latent=batch.generator_latent,
                    second_latent=batch.critic_latent,
                )
                # Either of a pair could have been the one that learns, so one alone has half of the gradient of both.
                total = total + 2.0 * goals.mode_seeking * losses["mode_seeking"]
            if players.encoder is not None and recipe.warm_start:
                with torch.no_grad():
                    latent = drawn(*posterior_of(judge(players.encoder, batch.pictures, **at, **shown)), batch.noise)
                made = players.generator(latent, batch.condition, **at)
                losses["anchor"] = reconstruction_loss(
                    recipe.warm_start, made=made, real=batch.pictures, loudness=loudness
                )
                total = total + recipe.warm_start.anchor * losses["anchor"]
        total.backward()
    players.settle("generator", moment)
    return {**losses, "generator": generator, **named(learnt, "fake")}


def _game(recipe: Recipe) -> ModuleType:
    return wasserstein if recipe.objectives.adversarial == "wasserstein" else logistic


def _weights(recipe: Recipe) -> dict[str, float]:
    return {"pitch": recipe.objectives.pitch, "attributes": recipe.objectives.attributes}


def _penalise(
    players: Players[Any, Any], batch: Batch, fake: Tensor, moment: Moment, at: dict[str, Any]
) -> dict[str, Tensor]:
    """Adds the penalty's gradients to the discriminator's, each `every`-th step with `every` times its weight."""
    penalty, shown = players.recipe.objectives.penalty, players.shown(batch)
    if penalty.kind == "none" or not penalty.weight or moment.step % penalty.every:
        return {}
    real, alphas, pac = batch.pictures, batch.between, players.discriminator.config.pac
    if pac > 1:  # what is judged together is one point, and has one slope
        real, fake, alphas = real.unflatten(0, (-1, pac)), fake.unflatten(0, (-1, pac)), alphas[::pac]

    def score(pictures: Tensor) -> Tensor:
        pictures = pictures.flatten(0, 1) if pac > 1 else pictures
        return players.discriminator(pictures, per_note=penalty.per_note, **at, **shown).score

    with players.hardware.computing():
        if penalty.kind == "gradient-penalty":
            size = slope_penalty(score, real=real, fake=fake, alphas=alphas, reduction=penalty.reduction)
            # The processes' gradients are averaged: a sum over the global batch is their mean times their number.
            factor = float(players.hardware.share.world) if penalty.reduction == "sum" else 1.0
        else:
            size, factor = zero_centred_penalty(score, real=real), 0.5  # λ/2 · R1
    (penalty.weight * penalty.every * factor * size).backward()
    return {"penalty": size}
