"""What is maximised: values that one adds and scales, one number a row; their text is the formula.

    goal = channel("stages.1", 22) + 0.5 * attribute("Trumpet") - 0.1 * diversity("stages.1")

Named in lower case, as formulas write them: sums and mixtures, activations, outputs; and, from `total_variation` on,
what an input should not be, which is subtracted (a learned prior, `critic_score`, is added). After Olah et al. (2017),
*Feature Visualization*, and its library lucid.
"""

import json
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.dissection.subject import Seen, column
from darktimbre.dissection.transforms import bilateral, blurred
from darktimbre.notes.errors import UserError


@dataclass(frozen=True, repr=False)
class Objective:
    """Maps what was seen to one number a row."""

    def __call__(self, seen: Seen) -> Tensor:
        """`(row,)`"""
        raise NotImplementedError

    @property
    def layers(self) -> frozenset[str]:
        """Whose activations it reads, or those that it is made of."""
        held = [getattr(self, one.name) for one in fields(self)]
        own = {self.layer} if hasattr(self, "layer") else set()
        return frozenset(own).union(*(one.layers for one in held if isinstance(one, Objective)))

    def __add__(self, other: "Objective") -> "Objective":
        return joint(self, other)

    def __sub__(self, other: "Objective") -> "Objective":
        return joint(self, -1.0 * other)

    def __mul__(self, factor: float) -> "Objective":
        if isinstance(self, scaled):
            return scaled(self.factor * float(factor), self.of)
        return scaled(float(factor), self)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        shown = [getattr(self, one.name) for one in fields(self) if one.repr]
        words = [repr(one) if isinstance(one, Objective) else json.dumps(one, ensure_ascii=False) for one in shown]
        return f"{type(self).__name__}({', '.join(words)})"


@dataclass(frozen=True, repr=False)
class joint(Objective):
    """The sum of two: both at once."""

    first: Objective
    second: Objective

    def __call__(self, seen: Seen) -> Tensor:
        return self.first(seen) + self.second(seen)

    def __repr__(self) -> str:
        second = self.second
        if isinstance(second, scaled) and second.factor < 0:
            return f"{self.first!r} - {-1.0 * second!r}"
        return f"{self.first!r} + {second!r}"


@dataclass(frozen=True, repr=False)
class scaled(Objective):
    """So many times another."""

    factor: float
    of: Objective

    def __call__(self, seen: Seen) -> Tensor:
        return self.factor * self.of(seen)

    def __repr__(self) -> str:
        of = f"({self.of!r})" if isinstance(self.of, joint) else repr(self.of)
        return of if self.factor == 1 else f"{self.factor:g} * {of}"


@dataclass(frozen=True, repr=False)
class interpolation(Objective):
    """(1 − t) · first + t · second, t going from 0 in the first row to 1 in the last: how two units work together."""

    first: Objective
    second: Objective

    def __call__(self, seen: Seen) -> Tensor:
        t = torch.linspace(0, 1, len(seen.written), device=seen.written.device)
        return (1 - t) * self.first(seen) + t * self.second(seen)


@dataclass(frozen=True, repr=False)
class neuron(Objective):
    """A unit at one place: (frequency, frame) or (height, width); the middle where none is given."""

    layer: str
    unit: int
    place: tuple[int, ...] = ()

    def __call__(self, seen: Seen) -> Tensor:
        maps = of_unit(seen, self.layer, self.unit)
        sizes = maps.shape[1:]
        place = self.place or tuple(size // 2 for size in sizes)
        if len(place) != len(sizes) or not all(0 <= at < size for at, size in zip(place, sizes, strict=True)):
            raise UserError(f"The layer {self.layer!r} has the size {tuple(sizes)}; the place {place} is not in it.")
        for at in place:
            maps = maps[:, at]
        return maps


@dataclass(frozen=True, repr=False)
class channel(Objective):
    """A unit's mean over all places."""

    layer: str
    unit: int

    def __call__(self, seen: Seen) -> Tensor:
        return of_unit(seen, self.layer, self.unit).flatten(1).mean(1)


@dataclass(frozen=True, repr=False)
class layer(Objective):
    """The mean square of a whole layer: whatever excites it (DeepDream)."""

    layer: str

    def __call__(self, seen: Seen) -> Tensor:
        return seen.layers[self.layer].flatten(1).square().mean(1)


@dataclass(frozen=True, repr=False)
class direction(Objective):
    """A layer's mean over places along a direction, one number a unit."""

    layer: str
    along: tuple[float, ...]

    def __call__(self, seen: Seen) -> Tensor:
        means = maps_of(seen, self.layer).mean(2)
        if means.shape[1] != len(self.along):
            raise UserError(f"The layer {self.layer!r} has {means.shape[1]} units, the direction {len(self.along)}.")
        return means @ means.new_tensor(self.along)


@dataclass(frozen=True, repr=False)
class diversity(Objective):
    """How alike a row is to the others: mean cosine of the layer's Gram matrices; to be subtracted (Olah et al. 2017).

    The one objective in which rows meet.
    """

    layer: str

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of(seen, self.layer)
        gram = F.normalize((maps @ maps.transpose(1, 2)).flatten(1), dim=1)
        alike = gram @ gram.T
        return (alike.sum(1) - alike.diagonal()) / max(len(maps) - 1, 1)


@dataclass(frozen=True, repr=False)
class distance(Objective):
    """The mean squared difference of a layer's activations from those of a note; to be subtracted."""

    layer: str
    note: Tensor = field(compare=False, repr=False)  # its activations (unit, …)

    def __call__(self, seen: Seen) -> Tensor:
        return (seen.layers[self.layer] - self.note).flatten(1).square().mean(1)


@dataclass(frozen=True, repr=False)
class logit(Objective):
    """A classifier's logit of a class."""

    name: str

    def __call__(self, seen: Seen) -> Tensor:
        return seen.output[:, column(self.name, seen.subject.labels)]


@dataclass(frozen=True, repr=False)
class log_probability(Objective):
    """The logarithm of a class's probability among all (softmax)."""

    name: str

    def __call__(self, seen: Seen) -> Tensor:
        return seen.output.log_softmax(1)[:, column(self.name, seen.subject.labels)]


@dataclass(frozen=True, repr=False)
class attribute(Objective):
    """The teacher's logit of a word, of the sound."""

    name: str

    def __call__(self, seen: Seen) -> Tensor:
        tagger = seen.subject.tagger
        return seen.logits[:, column(self.name, () if tagger is None else tagger.labels)]


@dataclass(frozen=True, repr=False)
class critic_score(Objective):
    """How real the critic takes the picture for: a learned prior."""

    def __call__(self, seen: Seen) -> Tensor:
        return seen.score


def maps_of(seen: Seen, name: str) -> Tensor:
    """A layer's activations `(row, unit, place)`; one place where it has none."""
    return seen.layers[name].unsqueeze(-1).flatten(2)


def of_unit(seen: Seen, name: str, unit: int) -> Tensor:
    """`(row, …)` of one unit of a layer. Raises UserError: it has no such unit."""
    maps = seen.layers[name]
    if not 0 <= unit < maps.shape[1]:
        raise UserError(f"The layer {name!r} has the units 0 to {maps.shape[1] - 1}, but no unit {unit}.")
    return maps[:, unit]


def maps_of_input(seen: Seen) -> Tensor:
    """`(row, map, height, width)`: the image, or the magnitudes of the picture of a sound."""
    if seen.subject.takes == "image" or seen.subject.makes == "image":
        return seen.form("image")
    return seen.form("picture")[:, :1]


@dataclass(frozen=True, repr=False)
class total_variation(Objective):
    """The mean absolute difference of neighbours, down plus across (Rudin et al. 1992)."""

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        return maps.diff(dim=2).abs().flatten(1).mean(1) + maps.diff(dim=3).abs().flatten(1).mean(1)


@dataclass(frozen=True, repr=False)
class high_frequency(Objective):
    """The mean power of all that varies faster than this share of the Nyquist frequency."""

    above: float = 0.5

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        height, width = maps.shape[2:]
        down, across = torch.fft.fftfreq(height, 0.5)[:, None], torch.fft.fftfreq(width, 0.5)
        fast = (torch.maximum(down.abs(), across.abs()) > self.above).to(maps)
        spectrum = torch.fft.fft2(maps, norm="ortho")
        return (fast * (spectrum.real.square() + spectrum.imag.square())).flatten(1).mean(1)


@dataclass(frozen=True, repr=False)
class unlike_blurred(Objective):
    """The mean squared distance to its own blur of so many pixels."""

    sigma: float = 1.0

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        return (maps - blurred(maps, self.sigma)).square().flatten(1).mean(1)


@dataclass(frozen=True, repr=False)
class unlike_bilateral(Objective):
    """The same for bilateral filtering, which lets edges be."""

    space: float = 1.0
    values: float = 0.2

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        return (maps - bilateral(maps, self.space, self.values)).square().flatten(1).mean(1)


@dataclass(frozen=True, repr=False)
class l2(Objective):
    """The mean square of the input as it is written; of an image, of its distance from grey."""

    def __call__(self, seen: Seen) -> Tensor:
        return (seen.written - (0.5 if seen.kind == "image" else 0.0)).square().flatten(1).mean(1)
