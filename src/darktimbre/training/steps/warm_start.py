"""One step of the warm start: a conditional autoencoder, its encoder the discriminator's trunk (Larsen et al. 2016)."""

from typing import Any

from torch import Tensor

from darktimbre.models.averaging import average_into
from darktimbre.objectives.kl import gaussian_kl
from darktimbre.training.players import Batch, Players, judge
from darktimbre.training.schedule import Moment
from darktimbre.training.steps.conditioning import conditioning_losses, named
from darktimbre.training.steps.reconstruction import Loudness, drawn, posterior_of, reconstruction_loss


def warm_start_step(
    players: Players[Any, Any], batch: Batch, moment: Moment, loudness: Loudness | None
) -> dict[str, Tensor]:
    """Trains both networks by one backward pass; returns the unweighted losses. Adversarial scores play no part yet."""
    recipe, warm = players.recipe, players.recipe.warm_start
    assert warm is not None
    at: dict[str, Any] = {"stage": moment.scale, "alpha": moment.alpha}
    weight = {"pitch": warm.pitch, "attributes": warm.attributes}

    with players.hardware.computing():
        verdict = judge(players.discriminator, batch.pictures, **at, **players.shown(batch))
        mean, log_variance = posterior_of(verdict)
        made = players.generator(drawn(mean, log_variance, batch.noise), batch.condition, **at)
        reconstruction = reconstruction_loss(warm, made=made, real=batch.pictures, loudness=loudness)
        kl = gaussian_kl(mean=mean, log_variance=log_variance) / mean.shape[1]
        learnt = conditioning_losses(verdict, batch, recipe.data.temperature)
        ramp = min(1.0, (moment.notes_seen + moment.batch) / warm.kl_ramp) if warm.kl_ramp else 1.0
        total = warm.reconstruction * reconstruction + warm.kl * ramp * kl
        total = total + sum(weight[name] * loss for name, loss in learnt.items())
    total.backward()
    players.settle("discriminator", moment)
    players.settle("generator", moment)
    average_into(players.averaged, players.generator, notes=moment.batch, half_life=moment.half_life)
    return {"reconstruction": reconstruction, "kl": kl, **named(learnt, "real")}
