"""Inputs that fool a network: a real example blended with a found one, or changed by as little as can be.

What fools one network need not fool another trained on the same; `transfer` says whether it does.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from darktimbre.dissection.objectives import Objective, log_probability
from darktimbre.dissection.subject import Kind, Subject, column
from darktimbre.dissection.transforms import per_row


def blended(example: Tensor, found: Tensor, strength: float) -> Tensor:
    """(1 − α) · example + α · found, for the document's "small proportion of this adversarial example"."""
    return torch.lerp(example, found, strength)


def perturbed(
    subject: Subject, example: Tensor, kind: Kind, target: str | Objective, size: float, *, steps: int = 10
) -> Tensor:
    """The example `(row, …)`, changed by at most `size`, as the target (a class, or any objective) likes it best.

    Projected gradient ascent (Madry et al. 2018); the best of all steps is kept. For images, `size` bounds each pixel's
    change, and the result stays between 0 and 1; for waves it is the level of the change against the example's, such as
    10^(−30/20) for −30 dB.
    """
    goal = log_probability(target) if isinstance(target, str) else target
    image, change = kind == "image", torch.zeros_like(example)
    room = size if image else size * _length(example)
    best, most = torch.zeros_like(example), torch.full((len(example),), -torch.inf)
    for step in range(steps + 1):
        change.requires_grad_(True)
        seen = subject.see(example + change, kind, layers=goal.layers)
        values = goal(seen)
        (gradient,) = torch.autograd.grad(values.sum(), change)
        with torch.no_grad():
            better = values.detach() > most
            best[better], most[better] = change[better], values.detach()[better]
            pace = 4 / steps * (1 - step / (steps + 1))  # far at first, then finer
            if image:
                change = (change + pace * size * gradient.sign()).clamp(-size, size)
                change = (example + change).clamp(0, 1) - example
            else:
                change = change + pace * room * _unit(gradient)
                change = _unit(change) * torch.minimum(_length(change), torch.as_tensor(room))
    return example + best


def _length(rows: Tensor) -> Tensor:
    return per_row(rows.flatten(1).norm(dim=1), rows)


def _unit(rows: Tensor) -> Tensor:
    return rows / _length(rows).clamp(min=1e-12)


@dataclass(frozen=True)
class Transfer:
    """What a network makes of inputs: probability and rank (1 is first) of a class, row by row."""

    probability: tuple[float, ...]
    rank: tuple[int, ...]


@torch.no_grad()
def transfer(subject: Subject, inputs: Tensor, kind: Kind, name: str, *, apart: bool = False) -> Transfer:
    """How a network, the searched one or another, classifies inputs.

    `apart`: each class has a probability of its own (sigmoid), as a teacher's attributes have.
    """
    logits = subject.see(inputs, kind).output
    place = column(name, subject.labels)
    shares = logits.sigmoid() if apart else logits.softmax(1)
    rank = (logits > logits[:, place : place + 1]).sum(1) + 1
    return Transfer(tuple(shares[:, place].tolist()), tuple(rank.tolist()))
