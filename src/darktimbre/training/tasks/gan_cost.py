"""What a run will cost before it is started, for `--dry-run`: parameters, multiplications, memory, time."""

import time
from dataclasses import dataclass

import torch

from darktimbre.models.config import ProgressiveConfig
from darktimbre.models.cost import cost
from darktimbre.models.progressive import Discriminator, Generator
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.gan_networks import AdversarialRecipe, Penalty

G_PASSES, D_PASSES, PENALTY_PASSES = 4, 8, 7
"""Forward-sized passes a note of a step: G forward, then forward and backward (2); D on real and fake with backward
(2 × 3) and on the generator's fake with backward to its input (2); the penalty's forward, gradient, their backward."""
WARM_PASSES = 3  # of both networks: forward and backward
BYTES = 4


def step_macs(config: ProgressiveConfig, scale: int, penalty: Penalty) -> float:
    """Multiply-accumulates of one note in a full step at a scale, on average over steps with and without penalty."""
    generator, discriminator = cost(config, Generator, scale), cost(config, Discriminator, scale)
    of_penalty = PENALTY_PASSES / penalty.every if penalty.active else 0.0
    return generator.macs * G_PASSES + discriminator.macs * (D_PASSES + of_penalty)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run costs."""

    # parameters
    generator: int
    discriminator: int
    macs: tuple[float, ...]  # by phase, multiply-accumulates of a note of a step
    memory: int  # bytes at the largest phase: weights, gradients, moments, average, activations kept for backward
    seconds: tuple[float, ...]  # by phase, at the speed that was measured
    gmacs_per_second: float  # that speed


def estimate(recipe: AdversarialRecipe, config: ProgressiveConfig, device: torch.device) -> Estimate:
    """Counts a run and measures the processor for a second."""
    phases, penalty, speed = Schedule(recipe).phases, recipe.objectives.penalty, measured_speed(device)
    macs, held = [], []
    for part in phases:
        generator, discriminator = (cost(config, network, part.scale) for network in (Generator, Discriminator))
        warm = float(WARM_PASSES * (generator.macs + discriminator.macs))
        macs.append(warm if part.kind == "warm" else step_macs(config, part.scale, penalty))
        held.append(part.batch * (4 * discriminator.activations + 3 * generator.activations))
    generator, discriminator = cost(config, Generator), cost(config, Discriminator)
    states = 5 * generator.parameters + 4 * discriminator.parameters  # weights, gradients, two moments; the average
    return Estimate(
        generator=generator.parameters,
        discriminator=discriminator.parameters,
        macs=tuple(macs),
        memory=BYTES * (states + max(held)),
        seconds=tuple((part.stop - part.first) * each / speed for part, each in zip(phases, macs, strict=True)),
        gmacs_per_second=speed / 1e9,
    )


def measured_speed(device: torch.device, width: int = 64, seconds: float = 0.5) -> float:
    """Multiply-accumulates a second of forward and backward through 3 × 3 convolutions of `width` maps."""
    with torch.random.fork_rng(devices=[]):
        convolution = torch.nn.Conv2d(width, width, 3, padding=1).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        features = torch.rand(4, width, 128, 32, device=device).to(memory_format=torch.channels_last).requires_grad_()
    once = 3.0 * features.numel() * width * 9
    for _ in range(2):
        convolution(features).sum().backward()
    started, rounds = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        convolution(features).sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rounds += 1
    return rounds * once / (time.perf_counter() - started)
