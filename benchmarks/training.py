"""The full-size training iteration: the paper's networks, last size, batch 10; the real step against the plain one.

Each variant lives in a process of its own: the fast one starts as the command line does (`cli.allocator`), the plain
one as Python does. The two take turns, so that whatever else the machine does befalls both.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.child import Child, serve
from benchmarks.count import operations
from benchmarks.report import Row

VARIANTS = ("fast", "plain")
TURNS = ("fast", "plain", "fast", "plain", "fast")  # one plain iteration takes as long as several fast ones
SHORT = ("fast", "plain", "fast")
BATCH = 10
FULL, QUICK = 5, 2  # the paper's sizes are numbered 0 (32 × 4) to 5 (1024 × 32)
SPEED, MEMORY = 6.0, 2.0  # targets


def run(quick: bool, peak: float) -> list[Row]:
    """Both variants in turns; ratios of the medians, and of the peaks of resident memory.

    `peak`: multiplications of float32 numbers that the machine can do in a second, 1e9.
    """
    scale = QUICK if quick else FULL
    children = {variant: Child("benchmarks.training", variant, str(scale)) for variant in VARIANTS}
    try:
        for child in children.values():
            child.ready()
        seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for variant in SHORT if quick else TURNS:
            seconds[variant].append(children[variant].go()["seconds"])
        memory = {variant: child.stop() for variant, child in children.items()}
    finally:
        for child in children.values():
            child.close()
    fast, plain = (statistics.median(seconds[variant]) for variant in VARIANTS)
    floor = {variant: operations(lambda v=variant: iteration(v, scale)) / peak for variant in VARIANTS}  # type: ignore[misc]
    what = "training iteration, batch 10, " + ("128 × 16 (quick)" if quick else "the paper's last size")
    note = (
        f"its matrix products alone, at the {2 * peak:,.0f} GFLOP/s of a large one here: {floor['fast']:.1f} s "
        f"(plain: {floor['plain']:.1f} s)"
    )
    return [
        Row(what, fast, plain, "s", target=None if quick else SPEED, note=note, takes=seconds),
        Row("peak memory of it", memory["fast"], memory["plain"], "GB", target=None if quick else MEMORY),
    ]


# ----------------------------------------------------------------------------
# In the variant's process


def iteration(variant: str, scale: int, batch: int = BATCH) -> Callable[[], dict[str, Any]]:
    """A training iteration of the paper's recipe at one of its sizes, on random pictures."""
    import torch
    from torch.nn import functional as F

    from benchmarks.plain import PlainGan
    from darktimbre.models.convolution import computes_bf16
    from darktimbre.models.progressive import Discriminator, Generator
    from darktimbre.training.distributed import DistributedContext
    from darktimbre.training.recipe import load_recipe
    from darktimbre.training.schedule import Schedule
    from darktimbre.training.tasks.gan import GanRecipe
    from darktimbre.training.tasks.gan_networks import Batch, GanNetworks
    from darktimbre.training.tasks.gan_step import gan_step

    recipe = load_recipe("darkgan")
    assert isinstance(recipe, GanRecipe)
    cut = recipe.network.model_copy(
        update={"growth": recipe.network.growth[:scale], "widths": recipe.network.widths[: scale + 1]}
    )
    pitches = tuple(range(44, 70))
    config = cut.config(pitches=pitches, attributes=128)
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    pitch_class, soft = torch.randint(len(pitches), (batch,)), torch.rand(batch, 128) ** 4
    latent = torch.randn(3, batch, config.latent)
    data = Batch(
        real=torch.randn(batch, config.channels, *config.picture_size()).clamp(-1, 1),
        condition=torch.cat([F.one_hot(pitch_class, len(pitches)).float(), soft], dim=1),
        pitch_class=pitch_class,
        soft_labels=soft,
        d_latent=latent[0],
        g_latent=latent[1],
        noise=latent[2],
        mix=torch.rand(batch),
    )
    if variant == "plain":
        gan = PlainGan(recipe, generator, discriminator)
        return lambda: gan.step(data)
    device = torch.get_default_device()
    context = DistributedContext(device=device)
    if computes_bf16(device):
        context = DistributedContext(device=device, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    networks = GanNetworks(recipe, generator, discriminator, context)
    schedule = Schedule(recipe)
    state = replace(schedule.at(schedule.total - 1), scale=scale, batch=batch)
    data = replace(data, real=data.real.contiguous(memory_format=torch.channels_last))
    return lambda: gan_step(networks, data, state, None)


def _main(variant: str, scale: int) -> None:
    """Serves the parent's turns."""
    if variant == "fast":
        from darktimbre.cli import allocator

        allocator.tune()
    step = iteration(variant, scale)

    def measure() -> dict[str, float]:
        began = time.perf_counter()
        step()
        return {"seconds": time.perf_counter() - began}

    serve(measure)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
