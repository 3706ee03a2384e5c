"""The full-size training iteration: the paper's networks, last size, batch 10; the real step against the plain one.

Each variant lives in a process of its own, since allocator and peak memory belong to a process: the fast one starts as
the command line does (`cli.allocator`), the plain one as Python does. The two take turns, so that whatever else the
machine does befalls both.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from benchmarks.report import Row

VARIANTS = ("fast", "plain")
TURNS = ("fast", "plain", "fast", "plain", "fast")  # one plain iteration takes as long as several fast ones
SHORT = ("fast", "plain", "fast")
BATCH = 10
SCALE = {"full": 5, "quick": 2}  # the paper's sizes are numbered 0 (32 × 4) to 5 (1024 × 32)
SPEED, MEMORY = 6.0, 2.0  # targets


def run(quick: bool) -> list[Row]:
    """Both variants in turns; ratios of the medians, and of the peaks of resident memory."""
    players = {variant: Player(variant, "quick" if quick else "full") for variant in VARIANTS}
    try:
        for player in players.values():
            player.ready()
        seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for variant in SHORT if quick else TURNS:
            seconds[variant].append(players[variant].play()["seconds"])
        peak = {variant: player.play(stop=True)["peak"] for variant, player in players.items()}
    finally:
        for player in players.values():
            player.close()
    fast, plain = (statistics.median(seconds[variant]) for variant in VARIANTS)
    what = "training iteration, batch 10, " + ("128 × 16 (quick)" if quick else "the paper's last size")
    return [
        Row(what, fast, plain, "s", target=None if quick else SPEED, takes=seconds),
        Row("peak memory of it", peak["fast"], peak["plain"], "GB", target=None if quick else MEMORY),
    ]


class Player:
    """A variant in its process: told "go" on its standard input, answers with a line of JSON."""

    def __init__(self, variant: str, size: str) -> None:
        command = [sys.executable, "-m", "benchmarks.training", variant, size]
        root = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def ready(self) -> None:
        """Waits until its networks are built."""
        self._answer()

    def play(self, stop: bool = False) -> dict[str, float]:
        """One iteration: `seconds`; or, to end with, `peak` in GB."""
        into: IO[str] = self.process.stdin  # type: ignore[assignment]
        into.write("stop\n" if stop else "go\n")
        into.flush()
        return self._answer()

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.kill()
        self.process.wait()

    def _answer(self) -> dict[str, float]:
        out: IO[str] = self.process.stdout  # type: ignore[assignment]
        line = out.readline()
        if not line:
            raise SystemExit(f"The process of {self.process.args} ended with status {self.process.wait()}.")
        answer: dict[str, float] = json.loads(line)
        return answer


# ----------------------------------------------------------------------------
# In the variant's process


def iteration(variant: str, scale: int, batch: int = BATCH) -> Callable[[], dict[str, Any]]:
    """A training iteration of the paper's recipe at one of its sizes, on random pictures."""
    import torch
    from torch.nn import functional as F

    from benchmarks.plain import PlainGame
    from darktimbre.models.progressive import Discriminator, Generator
    from darktimbre.training.hardware import Hardware, computes_bf16
    from darktimbre.training.players import Batch, Players
    from darktimbre.training.reading import load_recipe
    from darktimbre.training.schedule import Schedule
    from darktimbre.training.steps.gan import gan_step

    recipe = load_recipe("darkgan")
    assert recipe.network is not None
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
        pictures=torch.randn(batch, config.channels, *config.picture_size()).clamp(-1, 1),
        condition=torch.cat([F.one_hot(pitch_class, len(pitches)).float(), soft], dim=1),
        pitch_class=pitch_class,
        soft=soft,
        critic_latent=latent[0],
        generator_latent=latent[1],
        noise=latent[2],
        between=torch.rand(batch),
    )
    if variant == "plain":
        game = PlainGame(recipe, generator, discriminator)
        return lambda: game.step(data)
    device = torch.get_default_device()
    hardware = Hardware(device=device)
    if computes_bf16(device):
        hardware = Hardware(device=device, computing=lambda: torch.autocast("cpu", torch.bfloat16))
    players = Players(recipe, generator, discriminator, hardware)
    schedule = Schedule(recipe)
    moment = replace(schedule.at(schedule.total - 1), scale=scale, batch=batch)
    data = replace(data, pictures=data.pictures.contiguous(memory_format=torch.channels_last))
    return lambda: gan_step(players, data, moment, None)


def _serve(variant: str, size: str) -> None:
    """Answers the parent's turns."""
    if variant == "fast":
        from darktimbre.cli import allocator

        allocator.tune()
    step = iteration(variant, SCALE[size])
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(json.dumps({"peak": peak / (1 << 20 if sys.platform != "darwin" else 1 << 30)}), flush=True)
            return
        began = time.perf_counter()
        step()
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2])
