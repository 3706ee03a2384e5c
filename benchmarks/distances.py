"""Kernel and Fréchet distance of 10,000 × 1,024 features against torchmetrics and scipy's `sqrtm` route.

Multiply-accumulates, in 1e9, of n notes a side in d dimensions. The kernel distance needs every kernel matrix once, the
two symmetric ones by half, and in each a hundred subsets: 2·n²·d + 2·n²·100 = 225; torchmetrics' 100 subsets of 1,000
take 3·100·1000²·d = 307. The Fréchet distance needs two covariances by half, n·d² = 10, and of d × d two symmetric
eigensystems and a singular value decomposition, some 15·d³ = 16; `sqrtm` and torchmetrics need the Schur form of an
unsymmetric one: as much work, but little of it in matrix products. Expected of a quiet core at 80 (float32) and 40
(float64) GFLOP/s were 6 to 7 s for the kernel distance against 8 to 10, and 2 to 3 s for the Fréchet distance against
twice that. Found, in seconds of one processor: 7.9 against 13.9, and 1.8 against 3.0 (`sqrtm`) and 2.5.
"""

import statistics
from typing import Any

from benchmarks.report import Row
from benchmarks.turns import in_turns

NOTES, DIMENSION = 10_000, 1024
SUBSETS, SUBSET = 100, 1000


def run(quick: bool) -> list[Row]:
    """All ways in this process, in turns, on the same float32 features."""
    from darktimbre.measures.frechet import Moments, frechet_distance
    from darktimbre.measures.kernel import KernelDistance, kernel_distance

    notes, dimension = (1000, 128) if quick else (NOTES, DIMENSION)
    subsets, size = (10, 200) if quick else (SUBSETS, SUBSET)
    real, fake = features(notes, dimension, 0), features(notes, dimension, 1)
    found: dict[str, Any] = {}

    def keep(name: str, way: Any) -> Any:
        def once() -> None:
            found[name] = way()

        return once

    kernels = {
        "darktimbre": keep("darktimbre", lambda: kernel_distance(real, fake, subsets=subsets, subset_size=size)),
        "torchmetrics": keep("torchmetrics", lambda: torchmetrics_kernel(real, fake, subsets, size)),
    }
    takes = in_turns(kernels, 1)
    ours, (mean, std) = found["darktimbre"], found["torchmetrics"]
    assert isinstance(ours, KernelDistance)
    assert abs(ours.mean - mean) < 6 * std * (2 / subsets) ** 0.5, "the two ways disagree"
    what = f"of {notes:,} × {dimension:,} features"
    rows = [
        Row(
            f"kernel distance {what}, {subsets} subsets and all notes; plain: torchmetrics",
            statistics.median(takes["darktimbre"]),
            statistics.median(takes["torchmetrics"]),
            "s",
            note=f"{ours.value:.3e} by all notes, {ours.mean:.3e} ± {ours.std:.1e} by subsets "
            f"(torchmetrics: {mean:.3e} ± {std:.1e})",
            takes=takes,
        )
    ]
    ways = {
        "darktimbre": keep("darktimbre", lambda: frechet_distance(Moments().add(real), Moments().add(fake))),
        "sqrtm": keep("sqrtm", lambda: sqrtm_frechet(real, fake)),
        "torchmetrics": keep("torchmetrics", lambda: torchmetrics_frechet(real, fake)),
    }
    takes = in_turns(ways, 1)
    for name in ("sqrtm", "torchmetrics"):
        assert abs(found[name] - found["darktimbre"]) < 1e-6 * found[name], f"{name} disagrees: {found}"
        rows.append(
            Row(
                f"Fréchet distance {what}; plain: {'scipy.linalg.sqrtm' if name == 'sqrtm' else name}",
                statistics.median(takes["darktimbre"]),
                statistics.median(takes[name]),
                "s",
                note=f"{found['darktimbre']:.6f} ({name}: {found[name]:.6f})",
                takes={"darktimbre": takes["darktimbre"], name: takes[name]},
            )
        )
    return rows


def features(notes: int, dimension: int, seed: int) -> Any:
    """Embeddings of a falling spectrum, none negative, as a network's: float32 `(note, dimension)`."""
    import numpy as np

    mix = np.random.default_rng(9).normal(size=(dimension, dimension)) * np.arange(1.0, dimension + 1) ** -0.5
    table = np.random.default_rng(seed).normal(size=(notes, dimension)) @ mix.T * (0.1 + 0.01 * seed)
    return np.maximum(table, 0).astype(np.float32)


def torchmetrics_kernel(real: Any, fake: Any, subsets: int, size: int) -> tuple[float, float]:
    """As its users call it, in float32."""
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=subsets, subset_size=size)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    mean, std = metric.compute()
    return float(mean), float(std)


def torchmetrics_frechet(real: Any, fake: Any) -> float:
    """In float64, as its documentation advises."""
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    network = torch.nn.Identity()
    network.num_features = real.shape[1]  # type: ignore[assignment]
    metric = FrechetInceptionDistance(feature=network, normalize=True).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(fake).double(), real=False)
    return float(metric.compute())


def sqrtm_frechet(real: Any, fake: Any) -> float:
    """The route of the first implementations."""
    import numpy as np
    from scipy import linalg

    a, b = (np.cov(side.T.astype(np.float64)) for side in (real, fake))
    root = linalg.sqrtm(a @ b)
    shift = real.mean(axis=0, dtype=np.float64) - fake.mean(axis=0, dtype=np.float64)
    return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * np.trace(root).real)
