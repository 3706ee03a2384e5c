"""Discriminators that are made to fit another configuration score as before, or nearly."""

import pytest
import torch
from tests.bundle.tiny import tiny_bundle

from darktimbre.models.progressive import Discriminator
from darktimbre.models.surgery import with_pac, without_minibatch_stddev


@pytest.fixture
def networks():
    """A discriminator's configuration, its weights, and what makes another one."""
    bundle = tiny_bundle(discriminator=True)

    def made(weights, **changes) -> Discriminator:
        network = Discriminator(bundle.network.model_copy(update=changes))
        network.load_state_dict(weights)
        return network.eval()

    return bundle.network, bundle.discriminator, made


def test_without_minibatch_stddev_it_scores_as_before_where_nothing_deviates(networks) -> None:
    config, weights, made = networks
    spectrogram = torch.randn(1, 2, *config.picture_size())  # one note alone deviates from nothing
    outputs = made(weights)(spectrogram), made(without_minibatch_stddev(weights), minibatch_stddev=False)(spectrogram)
    for before, after in zip(*outputs, strict=True):
        if before is not None:
            assert torch.allclose(before, after, atol=1e-3)  # the deviation of one note is 1e-4


def test_with_pac_it_starts_near_the_mean_of_the_notes_scores(networks) -> None:
    config, weights, made = networks
    notes = torch.randn(64, 2, *config.picture_size(), generator=torch.Generator().manual_seed(0))
    single, packed = made(weights)(notes), made(with_pac(weights, config, 2), pac=2)(notes)
    means = single.score.unflatten(0, (-1, 2)).mean(1)
    assert torch.corrcoef(torch.stack([packed.score, means]))[0, 1] > 0.95  # not equal: features are rectified again
    assert 0.5 < packed.score.std() / means.std() < 2
    assert torch.equal(packed.pitch_logits, single.pitch_logits)
