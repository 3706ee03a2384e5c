"""`dissect atlas` and `dissect units` of a generator of digits: latent → unit, and what a unit does → one page.

Its discriminator is not kept, so that natural examples are those it generates from N(0, 1).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from darktimbre.bundle.pictures import PictureGan
from darktimbre.dissection.objectives import channel
from darktimbre.dissection.parametrisations import Latent, Parametrisation
from darktimbre.dissection.search import maximise
from darktimbre.dissection.subject import Subject
from darktimbre.dissection.transforms import LatentNoise
from darktimbre.models.edits import Scale, Shift, edited, probe
from darktimbre.pipelines.dissect_cache import Cell, Cells
from darktimbre.pipelines.dissect_image import shown
from darktimbre.pipelines.steps import Reporter
from darktimbre.report.cards import NOTHING, Bar, Item, Picture, Section, write

LAYER = "blocks.0"
NATURAL, NINE = 512, 9  # latents drawn; shown of them
ROUNDED = 4


class DigitLatent(Latent):
    """Latents of a generator of digits, on their sphere, each with its condition."""

    def __init__(self, gan: PictureGan, condition: Tensor) -> None:
        Parametrisation.__init__(self, len(condition), subject_of(gan))
        self.sphere = True
        self.latent = nn.Parameter(torch.zeros(len(condition), gan.network.latent))
        self.register_buffer("conditioned", condition)


def subject_of(gan: PictureGan) -> Subject:
    """The generator, of latents; its images lie between 0 and 1."""
    network = gan.module

    def generate(latent: Tensor, condition: Tensor | None) -> Tensor:
        made: Tensor = network(latent, condition)
        return (made + 1) / 2

    return Subject(network, "latent", generate, labels=gan.classes, generate=generate, makes="image")


def classes_of(gan: PictureGan, rows: int) -> Tensor:
    """`(row, class)`: one-hot, the classes in turn; of no class where the generator has none."""
    count = gan.network.classes
    return torch.eye(count)[torch.arange(rows) % count] if count else torch.zeros(rows, 0)


@torch.no_grad()
def natural(gan: PictureGan, layer: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images `(row, channel, height, width)` of drawn latents, and a layer's mean over places `(row, unit)`."""
    latents, subject = torch.from_numpy(gan.latents(seed, count)), subject_of(gan)
    seen = subject.see(latents, "latent", condition=classes_of(gan, count), layers=[layer])
    return seen.output, seen.layers[layer].unsqueeze(-1).flatten(2).mean(2)


def atlas_of_digits(
    gan: PictureGan,
    out: Path,
    reporter: Reporter,
    *,
    layer: str = LAYER,
    units: int = 32,
    quick: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Nine natural digits of each unit, beside those of optimised latents and what these reach of the natural maximum.

    Raises:
        UserError: there is no such layer.
    """
    images, means = natural(gan, layer, 64 if quick else NATURAL, seed)
    count, steps = min(4 if quick else units, means.shape[1]), 40 if quick else 100
    cells, items, data = Cells(out / "cells", gan.digest, layer, steps, seed), [], []
    with reporter.progress("atlas", count, "units") as update:
        for unit in range(count):
            best = means[:, unit].topk(NINE)
            like = classes_of(gan, len(means))[best.indices[:3]]  # the classes of the natural ones

            def search(unit: int = unit, like: Tensor = like) -> Cell:
                goal, written = channel(layer, unit), DigitLatent(gan, like)
                found = maximise(goal, written, robust=(LatentNoise(0.1),), steps=steps, seed=seed)
                reached = found.seen(layer).layers[layer][:, unit].flatten(1).mean(1)
                return {"images": found.form("image"), "reached": reached}

            cell = cells.cell(f"unit{unit}", search)
            spread = float(means[:, unit].std())
            beyond = float(cell["reached"].max() - means[:, unit].mean()) / max(spread, 1e-9)
            ratio = _ratio(float(cell["reached"].max()), best.values[0].item())
            pictures = [shown(f"natural {place + 1}", images[row]) for place, row in enumerate(best.indices)]
            pictures += [shown(f"optimised {row + 1}", one) for row, one in enumerate(cell["images"])]
            verdict = "dead: it never changes" if spread < 1e-6 else ""
            bars = [Bar("deviations above the mean", beyond), Bar("of the natural maximum", ratio)]
            items.append(Item(f"{layer}, unit {unit}", verdict, bars, pictures=pictures))
            data.append({"unit": unit, "ratio": ratio, "deviations": beyond, "deviation": spread})
            update(unit + 1, count)
    text = f"For each unit the nine of {len(images)} digits that excite it most, beside those of optimised latents."
    page = write(out, f"Atlas of {layer}", text, [Section("Units", items=items)], {"layer": layer, "units": data})
    reporter.say(f"{count} units of {layer}: {page}.")
    return {"layer": layer, "units": data}


def _ratio(value: float, best: float) -> float | None:
    """How far it goes in terms of the greatest natural value; None where that is not above 0."""
    return value / best if best > 0 else None


def units_of_digits(
    gan: PictureGan, out: Path, reporter: Reporter, *, layer: str = LAYER, quick: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Every unit of a layer switched off, to zero and to its mean: how far digits change, and how much ink they lose.

    Intervals are over latents (the mean ± 1.96 standard errors); a unit's change is called clear where it lies beyond
    that of all random units together, the mean over units plus two of their deviations.

    Raises:
        UserError: there is no such layer.
    """
    rows = 16 if quick else 64
    latents, condition = torch.from_numpy(gan.latents(seed, rows)), classes_of(gan, rows)
    subject, network = subject_of(gan), gan.module
    with torch.no_grad(), probe(network, layer) as seen:
        plain = subject.run(latents, condition)
    means = seen[layer].unsqueeze(-1).flatten(2).mean((0, 2))

    def changed(unit: int, to_mean: bool) -> tuple[Tensor, Tensor, Tensor]:
        edits: list[Scale | Shift] = [Scale(layer, (unit,), 0.0)]
        if to_mean:
            direction = torch.zeros_like(means)
            direction[unit] = means[unit]
            edits.append(Shift(layer, tuple(direction.tolist()), 1.0))
        with torch.no_grad(), edited(network, *edits):
            made = subject.run(latents, condition)
        return made, (made - plain).flatten(1).square().mean(1).sqrt(), (made - plain).flatten(1).mean(1)

    items: list[tuple[int, list[Bar], list[Picture]]] = []
    data: list[dict[str, Any]] = []
    with reporter.progress("units", len(means), "units") as update:
        for unit in range(len(means)):
            made, far, ink = changed(unit, False)
            _, far_mean, ink_mean = changed(unit, True)
            figures = {"change": far, "ink": ink, "change, to mean": far_mean, "ink, to mean": ink_mean}
            bars = [_bar(name, values) for name, values in figures.items()]
            data.append({"unit": unit, **{bar.label: [bar.value, bar.low, bar.high] for bar in bars}})
            row = int(far.argmax())
            items.append((unit, bars, [shown("as it is", plain[row]), shown("switched off", made[row])]))
            update(unit + 1, len(means))
    changes = torch.tensor([one["change"][0] for one in data])
    least = float(changes.mean() + 2 * changes.std())
    listed = [
        Item(f"{layer}, unit {unit}", "clear" if float(bars[0].low or 0) > least else NOTHING, bars, pictures=pictures)
        for unit, bars, pictures in items
    ]
    text = f"Means over {rows} latents. Change: the root mean square difference of images; ink: the mean difference."
    found = {"layer": layer, "rows": rows, "clear above": least, "units": data}
    page = write(out, f"Units of {layer}, switched off", text, [Section("Units", items=listed)], found)
    reporter.say(
        f"{len(listed)} units of {layer}, {sum(one.verdict == 'clear' for one in listed)} of them clear: {page}."
    )
    return found


def _bar(label: str, values: Tensor) -> Bar:
    mean, half = float(values.mean()), 1.96 * float(values.std()) / len(values) ** 0.5
    return Bar(label, round(mean, ROUNDED), round(mean - half, ROUNDED), round(mean + half, ROUNDED))
