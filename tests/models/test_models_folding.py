"""A folded generator is the same function, for every option the unfolded one has."""

import pytest
import torch
from torch.nn import functional as F

from darktimbre.models.folding import fold
from darktimbre.models.progressive import Generator, ProgressiveConfig

SMALL = ProgressiveConfig(condition=5, latent=4, start=(4, 2), growth=((8, 4), (16, 4)), widths=(8, 6, 4))
COMB = {"pitch_comb": True, "pitches": (44, 57, 69), "bin_hz": 250.0}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bands": 2, "tanh": True},
        {"normalise_input": True, **COMB},
        {"grow": False, "bands": 4, **COMB},
        {"whiten": "roots", "last_convolutions": 1, **COMB},
        {"growth": (), "widths": (8,), **COMB},
        {"modulate": True, "normalise_input": True},
        {"modulate": True, "harmonics": 8, "growth": ((8, 4), (16, 8)), **COMB},
        {"growth": ((16, 32), (32, 32)), "start": (8, 16), **COMB},
    ],
)
def test_equals_the_unfolded(options: dict) -> None:
    torch.manual_seed(0)
    config = ProgressiveConfig(**(SMALL.model_dump() | options))
    generator = Generator(config)
    for parameter in generator.parameters():
        if parameter.dim() == 1 or not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    if generator.whiten is not None:
        generator.whiten.fit(torch.rand(20, 2))
    latent, condition = torch.randn(3, 4), torch.rand(3, 5)
    condition[:, :3] = F.one_hot(torch.arange(3), 3)
    folded = fold(generator)
    with torch.no_grad():
        torch.testing.assert_close(folded(latent, condition), generator(latent, condition), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(folded(latent[[1]], condition[[1]])[0], folded(latent, condition)[1])
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_folding_takes_a_copy() -> None:
    torch.manual_seed(0)
    generator = Generator(SMALL)
    folded = fold(generator)
    latent, condition = torch.randn(2, 4), torch.rand(2, 5)
    before = folded(latent, condition)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
    assert torch.equal(folded(latent, condition), before)


def test_bfloat16_rounds_products_alone() -> None:
    torch.manual_seed(0)
    generator = Generator(SMALL)
    exact, rounded = fold(generator), fold(generator, bf16=True)
    latent, condition = torch.randn(16, 4), torch.rand(16, 5)
    with torch.no_grad():
        expected, found = exact(latent, condition), rounded(latent, condition)
        with torch.autocast("cpu", torch.bfloat16):
            everywhere = exact(latent, condition).float()
    error, of_autocast = ((one - expected).norm() / expected.norm() for one in (found, everywhere))
    assert found.dtype == torch.float32
    assert 0 < error < 0.8 * of_autocast
    assert error < 0.03
