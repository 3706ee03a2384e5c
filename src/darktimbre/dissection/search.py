"""Gradient ascent on an objective by what an input is written as; every row for itself."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from darktimbre.dissection.objectives import Objective
from darktimbre.dissection.parametrisations import Parametrisation
from darktimbre.dissection.subject import Kind, Seen, Subject, Transform
from darktimbre.notes.errors import UserError


@dataclass(frozen=True)
class Found:
    """What a search ended with."""

    inputs: Tensor  # (row, …), as written
    kind: Kind
    condition: Tensor | None  # (row, size), where the inputs are latents
    values: Tensor  # (row,) of the objective, without transforms
    trace: Tensor  # (step, row) of the objective on the way, with them
    subject: Subject

    def seen(self, *layers: str) -> Seen:
        """The inputs once more, without transforms and gradients."""
        with torch.no_grad():
            return self.subject.see(self.inputs, self.kind, condition=self.condition, layers=layers)

    def form(self, kind: Kind) -> Tensor:
        """The inputs as that kind, such as the waves of latents."""
        with torch.no_grad():
            return self.seen().form(kind)


def maximise(
    goal: Objective, written: Parametrisation, subject: Subject | None = None, *,
    robust: Collection[Transform] = (), steps: int = 160, rate: float = 0.05, seed: int = 0,
) -> Found:  # fmt: skip
    """Climbs by Adam (Kingma & Ba 2015), whose steps are per number, so that no row's depends on another's.

    Args:
        goal: what is maximised.
        written: how the input is written.
        subject: the network it is an input of; by default the one that `written` belongs to.
        robust: transforms; each step draws anew.
        steps: how many.
        rate: step size in the parameters' own units.
        seed: of the start and of the transforms.

    Raises UserError: the network has no such layer, unit or label, or there is no way from the input to it.
    """
    of = subject or written.subject
    if of is None:
        raise UserError("The input belongs to no network yet: name the subject.")
    generator = torch.Generator().manual_seed(seed)
    written.start(generator)
    optimiser = torch.optim.Adam(written.parameters(), lr=rate, betas=(0.9, 0.99))
    trace = torch.zeros(steps, written.rows)
    for step in range(steps):
        seen = of.see(
            written(), written.kind, condition=written.condition(), layers=goal.layers, robust=robust,
            generator=generator,
        )  # fmt: skip
        values = goal(seen)
        optimiser.zero_grad(set_to_none=True)
        (-values.sum()).backward()
        optimiser.step()
        with torch.no_grad():
            written.project(generator)
        trace[step] = values.detach()
    with torch.no_grad():
        inputs, condition = written().detach().clone(), written.condition()
        condition = None if condition is None else condition.detach().clone()
        values = goal(of.see(inputs, written.kind, condition=condition, layers=goal.layers))
    return Found(inputs, written.kind, condition, values, trace, of)
