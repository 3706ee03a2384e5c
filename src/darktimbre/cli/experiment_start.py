"""What arms of an experiment begin from together: a bundle with its discriminator, made to fit an arm's."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.training.recipe import Recipe

DEVIATION = "base.weight"
"""The discriminator's layer that sees the minibatch deviation, as its last channel (`models/progressive.py`)."""
JOINED = "packed."
"""Its layer that joins the features of notes that are judged together."""
RECTIFIER = math.sqrt(2.0)  # He's gain, as in `models/layers.py`


@dataclass(frozen=True)
class Start:
    """A bundle that runs begin from.

    Attributes:
        place: its folder; it may yet have to be trained.
        digest: of what it holds, or of all that it follows from.
        deviation: whether its discriminator sees the minibatch deviation.
        pac: how many notes its discriminator judges together.
        whole: the start that this one is made from.
    """

    place: Path
    digest: str
    deviation: bool
    pac: int = 1
    whole: "Start | None" = None

    def for_recipe(self, recipe: "Recipe", runs: Path) -> "Start":
        """The same for a recipe's network: without the minibatch deviation's channel, or with a layer for pac.

        Raises:
            UserError: the start lacks what the recipe has.
        """
        assert recipe.network is not None
        deviation, pac = recipe.network.minibatch_stddev, recipe.network.pac
        if (deviation, pac) == (self.deviation, self.pac):
            return self
        if (deviation and not self.deviation) or self.pac not in (1, pac):
            lacks = (
                f"judges {self.pac} notes together" if self.pac not in (1, pac) else "is without minibatch deviation"
            )
            raise UserError(f"The discriminator of {self.place} {lacks}, {recipe.name}'s is not: give another --start.")
        change = "-".join([*(["without-deviation"] if not deviation else []), *([f"pac{pac}"] if pac > 1 else [])])
        digest = hashlib.sha256(f"{self.digest} {change}".encode()).hexdigest()
        return Start(runs / f"start-{change}-{digest[:12]}", digest, deviation, pac, whole=self)

    def make(self) -> None:
        """Makes it of the whole one, where it is another and was not made."""
        from darktimbre.bundle.bundle import Bundle

        if self.whole is not None and not (self.place / "config.json").is_file():
            made = Bundle.from_pretrained(self.whole.place, discriminator=True)
            if self.whole.deviation and not self.deviation:
                made = without_deviation(made)
            if self.pac > self.whole.pac:
                made = with_pac(made, self.pac)
            made.save_pretrained(self.place)


def start_at(place: Path) -> Start:
    """The start in a folder that the user gives.

    Raises:
        UserError: there is no bundle, or it holds no discriminator.
    """
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.bundle.weights import digest

    there = Bundle.from_pretrained(place, discriminator=True)
    if there.discriminator is None:
        raise UserError(f"{place} holds no discriminator, so no game can go on from it: give another --start.")
    held = hashlib.sha256((there.digest + digest(there.discriminator)).encode()).hexdigest()
    return Start(Path(there.origin), held, there.network.minibatch_stddev, there.network.pac)


def without_deviation(bundle: "Bundle") -> "Bundle":
    """The bundle with a discriminator that is not shown the minibatch deviation; all other weights act as before.

    Its layer has one input channel less, and thereby another constant of the equalised learning rate (Karras et al.
    2018, §4.1), by which the weights kept are corrected. What the deviation added to each feature is gone: the game has
    to make up for it.
    """
    from darktimbre.bundle.bundle import Bundle

    assert bundle.discriminator is not None
    weight = bundle.discriminator[DEVIATION]
    kept = weight[:, :-1] * math.sqrt((weight.shape[1] - 1) / weight.shape[1])
    config = {**bundle.config, "network": {**bundle.config["network"], "minibatch_stddev": False}}
    return Bundle(config, bundle.weights, {**bundle.discriminator, DEVIATION: kept}, origin=bundle.origin)


def with_pac(bundle: "Bundle", pac: int) -> "Bundle":
    """The bundle with a discriminator that judges `pac` notes together (Lin et al. 2018); else as it was.

    The layer that joins their features begins as the mean of them: a score begins near the mean of the notes' scores.
    """
    import torch

    from darktimbre.bundle.bundle import Bundle

    assert bundle.discriminator is not None
    hidden = bundle.network.hidden
    scale = RECTIFIER / math.sqrt(hidden * pac)  # of the equalised learning rate
    added = {JOINED + "weight": torch.eye(hidden).repeat(1, pac) / pac / scale, JOINED + "bias": torch.zeros(hidden)}
    config = {**bundle.config, "network": {**bundle.config["network"], "pac": pac}}
    return Bundle(config, bundle.weights, {**bundle.discriminator, **added}, origin=bundle.origin)
