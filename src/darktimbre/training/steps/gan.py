"""One step of the game: a turn of the discriminator, a turn of the generator, the average follows (DarkGAN §4.3.2)."""

from typing import Any

import torch
from torch import Tensor

from darktimbre.models.averaging import average_into
from darktimbre.objectives import logistic, wasserstein
from darktimbre.objectives.gradient_penalty import slope_penalty, zero_centred_penalty
from darktimbre.training.players import Batch, Players, frozen, judge, judge_both, precise
from darktimbre.training.schedule import Moment
from darktimbre.training.steps.conditioning import conditioning_losses, named
from darktimbre.training.steps.reconstruction import Loudness, drawn, posterior_of, reconstruction_loss


def gan_step(players: Players, batch: Batch, moment: Moment, loudness: Loudness | None) -> dict[str, Tensor]:
    """Trains both networks on one batch; returns the unweighted losses.

    Each turn has one backward pass for its adversarial and auxiliary losses together. The penalty's graph is separate,
    so it has its own: fewer activations are alive at once, and nothing is computed twice.
    """
    recipe, computing = players.recipe, players.hardware.computing
    goals, temperature = recipe.objectives, recipe.data.temperature
    weight = {"pitch": goals.pitch, "attributes": goals.attributes}
    game = wasserstein if goals.adversarial == "wasserstein" else logistic
    at: dict[str, Any] = {"stage": moment.scale, "alpha": moment.alpha}

    with torch.no_grad(), computing():
        fake = precise(players.generator(batch.critic_latent, batch.condition, **at))
    with computing():
        on_real, on_fake = judge_both(players.discriminator, batch.pictures, fake, **at)
        critic = game.critic_loss(real=on_real.score, fake=on_fake.score)
        learnt = conditioning_losses(on_real, batch, temperature)
        total = critic + goals.drift * wasserstein.drift(real=on_real.score)
        total = total + sum(weight[name] * loss for name, loss in learnt.items())
        if goals.on_fakes:
            total = total + sum(
                weight[name] * loss for name, loss in conditioning_losses(on_fake, batch, temperature).items()
            )
    total.backward()
    losses = {"critic": critic, **named(learnt, "real"), **_penalise(players, batch, fake, moment, at)}
    players.settle("discriminator", moment)

    with frozen(players.discriminator):
        with computing():
            verdict = judge(
                players.discriminator, players.generator(batch.generator_latent, batch.condition, **at), **at
            )
            generator = game.generator_loss(fake=verdict.score)
            shown = conditioning_losses(verdict, batch, temperature)
            total = generator + sum(weight[name] * loss for name, loss in shown.items())
            if players.encoder is not None and recipe.warm_start:
                with torch.no_grad():
                    latent = drawn(*posterior_of(judge(players.encoder, batch.pictures, **at)), batch.noise)
                made = players.generator(latent, batch.condition, **at)
                losses["anchor"] = reconstruction_loss(
                    recipe.warm_start, made=made, real=batch.pictures, loudness=loudness
                )
                total = total + recipe.warm_start.anchor * losses["anchor"]
        total.backward()
    players.settle("generator", moment)
    average_into(players.averaged, players.generator, notes=moment.batch, half_life=moment.half_life)
    return {**losses, "generator": generator, **named(shown, "fake")}


def _penalise(players: Players, batch: Batch, fake: Tensor, moment: Moment, at: dict[str, Any]) -> dict[str, Tensor]:
    """Adds the penalty's gradients to the discriminator's, each `every`-th step with `every` times its weight."""
    penalty = players.recipe.objectives.penalty
    if penalty.kind == "none" or not penalty.weight or moment.step % penalty.every:
        return {}

    def score(pictures: Tensor) -> Tensor:
        return players.discriminator(pictures, per_note=penalty.per_note, **at).score

    with players.hardware.computing():
        if penalty.kind == "gradient-penalty":
            size = slope_penalty(
                score, real=batch.pictures, fake=fake, alphas=batch.between, reduction=penalty.reduction
            )
            # The processes' gradients are averaged: a sum over the global batch is their mean times their number.
            factor = float(players.hardware.share.world) if penalty.reduction == "sum" else 1.0
        else:
            size, factor = zero_centred_penalty(score, real=batch.pictures), 0.5  # λ/2 · R1
    (penalty.weight * penalty.every * factor * size).backward()
    return {"penalty": size}
