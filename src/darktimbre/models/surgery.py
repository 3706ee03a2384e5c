"""Networks made to fit another configuration without training them anew: weights in, weights out."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from darktimbre.models.config import ProgressiveConfig
from darktimbre.models.layers import RECTIFIER
from darktimbre.models.whitening import LabelWhitening

STDDEV_LAYER = "base.weight"
"""The discriminator's layer whose last input channel is the minibatch standard deviation (`models/progressive.py`)."""
PACKED_LAYER = "packed."
"""Its layer that joins the features of the notes of a pack."""
INPUT_LAYERS = ("grid.weight", "modulation.linear.weight", "mapping.first.weight")
"""The generator's layers that read condition and latent."""
MAPPED = "mapping.second."
"""Its layer that changes them."""
RIDGE = 1e-3  # of the labels' variance
TRUNK = ("from_picture", "stages", "base", "dense")
"""Its layers before the heads."""


def without_minibatch_stddev(discriminator: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the discriminator without the channel of the minibatch standard deviation; all others act as before.

    Its layer has one input channel less, and thereby another constant of the equalised learning rate (Karras et al.
    2018, §4.1), by which the weights kept are corrected. What the deviation added to each feature is gone: training has
    to make up for it.
    """
    weight = discriminator[STDDEV_LAYER]
    kept = weight[:, :-1] * math.sqrt((weight.shape[1] - 1) / weight.shape[1])
    return {**discriminator, STDDEV_LAYER: kept}


def with_pac(discriminator: Mapping[str, Tensor], config: ProgressiveConfig, pac: int) -> dict[str, Tensor]:
    """Weights of the discriminator of `config` that scores `pac` notes together (Lin et al. 2018); else as it was.

    The layer that joins their features starts as the mean of them: a score is at first near the mean of the notes'.
    """
    hidden = config.hidden
    scale = RECTIFIER / math.sqrt(hidden * pac)  # of the equalised learning rate
    joined = torch.eye(hidden).repeat(1, pac) / pac / scale
    return {**discriminator, PACKED_LAYER + "weight": joined, PACKED_LAYER + "bias": torch.zeros(hidden)}


def encoder_from(discriminator: Mapping[str, Tensor], config: ProgressiveConfig) -> dict[str, Tensor]:
    """Weights of a `PictureEncoder`: the trunk of the discriminator of `config` and the mean of its posterior head."""
    plain = without_minibatch_stddev(discriminator) if config.minibatch_stddev else dict(discriminator)
    trunk = {name: weight for name, weight in plain.items() if name.split(".")[0] in TRUNK}
    mean = {f"latent.{part}": discriminator[f"posterior.{part}"][: config.latent] for part in ("weight", "bias")}
    return {**trunk, **mean}


def with_additions(generator: Mapping[str, Tensor], untrained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a generator with what `untrained`, one with further `models.config.ADDITIONS`, has beyond it; at first
    both make the same."""
    return {name: generator.get(name, weight) for name, weight in untrained.items()}


def generator_for_pitches(
    generator: Mapping[str, Tensor], config: ProgressiveConfig, pitches: Sequence[int]
) -> dict[str, Tensor]:
    """Weights of the generator of `config` for other pitch classes: what it made at a pitch it makes there still.

    A new pitch starts with the columns of the nearest known one, and `models/comb.py` lays the partials at its own.
    """
    if not config.pitches or tuple(pitches) == config.pitches:
        return dict(generator)
    inputs = config.condition + config.latent
    columns = torch.tensor([*_nearest(config.pitches, pitches), *range(len(config.pitches), inputs)])
    # The equalised learning rate's constant depends on the number of inputs; pixel norm of the input undoes that, and
    # what the mapping adds to it has to grow as it does.
    grown = math.sqrt(len(columns) / inputs)
    read, mapped = (1.0, grown) if config.normalise_input else (grown, 1.0)
    changed = dict(generator)
    for name, weight in generator.items():
        if name.endswith(INPUT_LAYERS):
            changed[name] = weight[:, columns] * read
        elif name.startswith(MAPPED):
            changed[name] = weight * mapped
    return changed


def generator_for_whitening(
    generator: Mapping[str, Tensor], config: ProgressiveConfig, whiten: LabelWhitening | None, soft: Tensor
) -> dict[str, Tensor]:
    """Weights of the generator of `config` for soft labels whitened by `whiten`, which is fitted: nearly what it made.

    What the labels were is predicted from what they are now, linearly, by least squares over the training notes' soft
    labels `(note, label)`; both have mean 0. A mapping stays as it is: it begins with what it did of the old labels.
    """
    if whiten is None or not config.whiten or config.whiten == whiten.scale:
        return dict(generator)
    pitches = len(config.pitches)
    before = LabelWhitening(pitches, soft.shape[1], config.whiten)
    before.load_state_dict({name: generator[f"whiten.{name}"] for name in ("mean", "deviation")})
    wanted, given = before.standardised(soft).double(), whiten.standardised(soft).double()
    ridge = RIDGE * len(soft) * torch.eye(soft.shape[1], dtype=torch.double)
    predictor = torch.linalg.solve(given.T @ given + ridge, given.T @ wanted).float()  # (label now, label before)
    labels, changed = slice(pitches, pitches + soft.shape[1]), dict(generator)
    for name in [name for name in generator if name.endswith(INPUT_LAYERS)]:
        changed[name] = generator[name].clone()
        changed[name][:, labels] = generator[name][:, labels] @ predictor.T
    return changed | {f"whiten.{name}": value for name, value in whiten.state_dict().items()}


def discriminator_for_pitches(
    discriminator: Mapping[str, Tensor], config: ProgressiveConfig, pitches: Sequence[int]
) -> dict[str, Tensor]:
    """Weights of the discriminator of `config` whose head has other pitch classes, each as the nearest known one."""
    if not config.heads.pitch or tuple(pitches) == config.pitches:
        return dict(discriminator)
    rows = torch.tensor(_nearest(config.pitches, pitches))
    return {**discriminator, **{f"pitch.{part}": discriminator[f"pitch.{part}"][rows] for part in ("weight", "bias")}}


def _nearest(known: Sequence[int], pitches: Sequence[int]) -> list[int]:
    """Places in `known` of the nearest to each; the lower one of two."""
    return [min(range(len(known)), key=lambda place: (abs(known[place] - pitch), known[place])) for pitch in pitches]
