"""YAMNet → the embedded network, in closed form: each wide layer becomes the best narrow one for the notes at hand.

Layer after layer, YAMNet's output is regressed on the narrow network's own input, by a matrix of small rank
(reduced-rank regression, Izenman 1975; for networks: Zhang et al. 2016), so that what earlier layers lost is made up
for where it can be. Nothing is trained here; the recipe `tagger` goes on from it.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.teachers.embedded import HEAD_RANK, RANKS, EmbeddedNetwork, Narrow
from darktimbre.teachers.yamnet import CACHED, Separable, YamnetBody

RIDGE = 0.01  # pull towards YAMNet's own matrix, as a share of the inputs' mean variance
HEAD_RIDGE = 0.5  # the head sees one vector a note, so few that they alone would fit the training instruments


# ---------------------------------------------------------------------------------------------------------------------
# min ‖Y − X W‖² + λ‖W − W₀‖², rank W ≤ r:   C = (XᵀX + λ)⁻¹ (XᵀY + λ W₀),   W = C P Pᵀ,
# P = the top r eigenvectors of Cᵀ (XᵀX + λ) C
# ---------------------------------------------------------------------------------------------------------------------
def reduced_rank(
    inputs: Tensor, targets: Tensor, rank: int, *, prior: Tensor, ridge: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The best map of a given rank from `inputs` to `targets` with a free constant.

    Args:
        inputs: (sample, input).
        targets: (sample, output).
        rank: r.
        prior: W₀ᵀ (output, input), what the map is pulled to where the samples say little.
        ridge: λ as a share of the mean variance of the inputs.

    Returns:
        inner (r, input), outer (output, r) and bias (output,), so that targets ≈ inputs @ inner.T @ outer.T + bias.
    """
    x_mean, y_mean = inputs.mean(0, dtype=torch.float64), targets.mean(0, dtype=torch.float64)
    x, y = inputs - x_mean.float(), targets - y_mean.float()
    gram = (x.T @ x).double()
    pull = ridge * gram.diagonal().mean()
    lifted = gram + pull * torch.eye(len(gram), dtype=torch.float64)
    full = torch.linalg.solve(lifted, (x.T @ y).double() + pull * prior.T.double())  # (input, output)
    basis = torch.linalg.eigh(full.T @ lifted @ full).eigenvectors[:, -rank:]  # eigenvalues ascend
    inner, outer = (full @ basis).T, basis
    # Both factors get a like share of the scale, so that float16 and the optimiser see numbers of like size.
    size = (inner.norm(dim=1) / outer.norm(dim=0)).sqrt().clamp(min=1e-12)
    inner, outer = inner / size[:, None], outer * size
    return inner.float(), outer.float(), (y_mean - outer @ (inner @ x_mean)).float()


@torch.no_grad()
def compress(body: YamnetBody, patches: Tensor) -> EmbeddedNetwork:
    """The embedded network whose output is most like YAMNet's on log-mel patches (patch, 96 frames, 64 bands) of
    training notes, 7000 or so: 3000 serve other instruments less well."""
    network = EmbeddedNetwork()
    kept = {key: value for key, value in body.state_dict().items() if key in network.state_dict()}
    network.load_state_dict(kept, strict=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    theirs = torch.cat([network.stem(part) for part in patches.split(CACHED)])
    ours = theirs
    for number, rank in RANKS.items():
        wide, narrow = body.get_submodule(f"layer{number}"), network.get_submodule(f"layer{number}")
        assert isinstance(wide, Separable)
        assert isinstance(narrow, Narrow)
        wanted = _chunks(partial(_before_relu, wide), theirs)
        seen = _chunks(narrow.spread, ours)
        inner, outer, bias = reduced_rank(
            _places(seen), _places(wanted), rank, prior=wide.pointwise.weight[:, :, 0, 0], ridge=RIDGE
        )
        narrow.inner.weight.copy_(inner[:, :, None, None])
        narrow.outer.weight.copy_(outer[:, :, None, None])
        assert narrow.outer.bias is not None
        narrow.outer.bias.copy_(bias)
        theirs = F.relu(wanted)
        ours = F.relu(_chunks(nn.Sequential(narrow.inner, narrow.outer), seen))
    logits = body.classifier(theirs.mean((2, 3)))
    network.fit_labels(logits)
    prior = body.classifier.weight / network.get_buffer("label_spread")[:, None]
    inner, outer, bias = reduced_rank(
        ours.mean((2, 3)), network.standardise(logits), HEAD_RANK, prior=prior, ridge=HEAD_RIDGE
    )
    network.neck.weight.copy_(inner)
    network.head.weight.copy_(outer)
    network.head.bias.copy_(bias)
    return network


def _before_relu(block: Separable, maps: Tensor) -> Tensor:
    """The output of a block before its last ReLU."""
    answer: Tensor = block.pointwise(F.relu(block.depthwise(maps)))
    return answer


def _chunks(layer: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    """A layer over many patches, some at a time."""
    return torch.cat([layer(part) for part in maps.split(4 * CACHED)])


def _places(maps: Tensor) -> Tensor:
    """(patch, channel, height, width) → (patch · height · width, channel)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
