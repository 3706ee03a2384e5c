"""A teacher in a loss says what it says as a tagger, with gradients to the sound and to nothing else."""

import pytest
import torch

from darktimbre.teachers.differentiable import responses
from darktimbre.teachers.embedded import EmbeddedTagger
from darktimbre.teachers.yamnet import YamnetBody, YamnetTagger


@pytest.fixture(scope="module")
def embedded() -> EmbeddedTagger:
    return EmbeddedTagger.load()


def sounds(count: int = 2, samples: int = 16_000) -> torch.Tensor:
    """Decaying tones, then silence."""
    time = torch.arange(samples) / 16_000
    hertz = 300.0 * torch.arange(1, count + 1)[:, None]
    return 0.3 * torch.sin(2 * torch.pi * hertz * time) * torch.exp(-4 * time) * (time < 0.8)


def test_it_says_what_the_tagger_says(embedded):
    waves = sounds(3, 32_000)  # two patches or more, of which both take the mean
    found = responses(embedded, waves, layers=(3, 11))
    torch.testing.assert_close(found.logits, embedded.logits(waves), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.embedding, embedded.embed(waves), atol=1e-4, rtol=1e-4)
    assert {number: maps.shape[0] for number, maps in found.layers.items()} == {3: 3, 11: 3}
    assert found.layers[3].shape[2] == 128


def test_yamnet_too():
    torch.manual_seed(2)
    tagger = YamnetTagger(YamnetBody(), "d" * 64)
    found = responses(tagger, sounds())
    torch.testing.assert_close(found.logits, tagger.logits(sounds()), atol=1e-5, rtol=1e-4)


def test_gradient_is_the_slope_of_the_logits(embedded):
    """Along a direction, by central differences in float32; and finite although the sound ends in silence."""
    waves = sounds().requires_grad_()
    (slope,) = torch.autograd.grad(responses(embedded, waves).logits[:, 0].sum(), waves)
    assert torch.isfinite(slope).all()
    way = slope.detach() / slope.norm()
    step = 1e-5  # logarithms of near silence are steep
    with torch.no_grad():
        ends = [responses(embedded, waves + sign * step * way).logits[:, 0].sum().item() for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope.norm().item(), rel=0.1)


def test_nothing_is_left_behind(embedded):
    before = {name: tensor.clone() for name, tensor in embedded.network.state_dict().items()}
    waves = sounds().requires_grad_()
    found = responses(embedded, waves, layers=(5,))
    found.layers[5].sum().backward()
    assert waves.grad is not None
    assert not embedded.network.training
    assert all(not weight.requires_grad and weight.grad is None for weight in embedded.network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in embedded.network.state_dict().items())
    assert not any(module._forward_hooks for module in embedded.network.modules())
