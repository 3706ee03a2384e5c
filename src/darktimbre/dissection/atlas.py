"""Units of a network that looks at sounds: the real notes that excite each most, beside optimised ones.

Real notes stand beside optimised ones always: people tell what a unit does from natural examples more often (92 %
against 82 %, Borowski et al. 2021).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.dissection.effects import Unit
from darktimbre.dissection.subject import Subject
from darktimbre.extractors.described import Floats

BEST = 9  # real notes of a unit
BLOCK = 16  # notes at once
TASKS, QUERIES = 20, 0.1  # comparisons of the score; the share of notes at either end that queries are drawn from
SHARPNESS = 10.0  # of the choice, per unit of cosine


def spread_over(sizes: dict[str, int], count: int, seed: int) -> list[Unit]:
    """`count` units, evenly of all layers."""
    random = np.random.default_rng(seed)
    order = {name: random.permutation(size).tolist() for name, size in sizes.items()}
    found = [
        Unit(name, order[name][turn]) for turn in range(max(sizes.values())) for name in sizes if turn < sizes[name]
    ]
    return sorted(found[:count], key=lambda unit: (list(sizes).index(unit.layer), unit.number))


def of_real(subject: Subject, waves: Floats, layers: list[str]) -> tuple[dict[str, Tensor], Tensor]:
    """Means over places of each layer's units (note, unit) on real notes, and the critic's scores, NaN without one."""
    parts: dict[str, list[Tensor]] = {name: [] for name in layers}
    scores = []
    with torch.no_grad():
        for block in torch.from_numpy(waves).split(BLOCK):
            seen = subject.see(block, "wave", layers=layers)
            for name, found in seen.layers.items():
                parts[name].append(found.unsqueeze(-1).flatten(2).mean(2))
            scores.append(seen.score if subject.critic is not None else torch.full((len(block),), torch.nan))
    return {name: torch.cat(each) for name, each in parts.items()}, torch.cat(scores)


def interpretability(
    values: NDArray[np.floating], embedding: Floats, explanation: Floats | None = None, *, seed: int = 0
) -> NDArray[np.float64]:
    """The machine interpretability score of a unit, task by task (Zimmermann et al. 2024): with what certainty another
    network, shown what excites the unit and what does not, tells an exciting note from one that is not.

    P = σ(10 · (d(q⁺) − d(q⁻))), d(q) being the mean cosine of q to the exciting minus that to the other examples.

    Args:
        values: of the unit on real notes (note,).
        embedding: of the notes by a network other than the unit's (note, dimension).
        explanation: of optimised sounds (row, dimension), in place of the exciting notes.

    Returns:
        (task,); 0.5 is chance.
    """
    random, order, centre = np.random.default_rng(seed), np.argsort(values, kind="stable"), embedding.mean(0)

    def units(rows: Floats) -> Floats:
        """Of length 1 about the notes' mean, so that products are cosines."""
        return np.asarray((rows - centre) / np.linalg.norm(rows - centre, axis=1, keepdims=True).clip(min=1e-9))

    notes, shown = units(embedding), None if explanation is None else units(explanation)
    ends = max(BEST + 1, int(QUERIES * len(order)))
    low, high = order[:ends], order[-ends:]
    found = []
    for _ in range(TASKS):
        up, down = random.permutation(high), random.permutation(low)
        exciting, other = notes[up[1 : 1 + BEST]] if shown is None else shown, notes[down[1 : 1 + BEST]]
        certainty = [(notes[q] @ exciting.T).mean() - (notes[q] @ other.T).mean() for q in (up[0], down[0])]
        found.append(1 / (1 + np.exp(-SHARPNESS * (certainty[0] - certainty[1]))))
    return np.array(found)
