"""The digit networks, layer by layer as the report describes them; conditions, packs and norms mean what they say."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from darktimbre.models.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator, recalibrated
from darktimbre.models.digit_classifier import DigitClassifier, DigitClassifierConfig

SMALL = {"widths": (8, 6, 4), "critic_widths": (4, 6), "latent": 5}


def layers(network: nn.Module) -> list[str]:
    """Names of the layers in the order they are passed."""
    return [type(module).__name__ for module in network.modules() if not list(module.children())]


def test_generator_is_the_reports():
    generator = DcganGenerator(DcganConfig())
    block = ["ConvTranspose2d", "BatchNorm2d", "LeakyReLU"]
    assert layers(generator) == [
        "Linear", "BatchNorm1d", "LeakyReLU", "Unflatten", *block, *block, "ConvTranspose2d", "Tanh",
    ]  # fmt: skip
    assert generator.grid[0].in_features == 100
    picture = generator(torch.randn(3, 100), torch.zeros(3, 0))
    assert picture.shape == (3, 1, 28, 28)
    assert picture.abs().max() <= 1


def test_discriminator_is_the_reports_but_for_the_sigmoid_which_is_in_the_loss():
    discriminator = DcganDiscriminator(DcganConfig())
    block = ["Conv2d", "BatchNorm2d", "LeakyReLU", "Dropout"]
    assert layers(discriminator) == [*block, *block, "Flatten", "Linear"]
    verdict = discriminator(torch.randn(3, 1, 28, 28))
    assert verdict.score.shape == (3,)
    assert verdict[1:] == (None, None, None)


@pytest.mark.parametrize(("kind", "layer"), [("layer", "GroupNorm"), ("none", "Identity")])
def test_without_batch_norm_a_verdict_is_of_each_picture_alone(kind, layer):
    config = DcganConfig(**SMALL, normalisation=kind, dropout=0.0)
    discriminator = DcganDiscriminator(config)
    assert layers(discriminator).count(layer) == 2
    pictures = torch.randn(4, 1, 28, 28)
    alone = torch.cat([discriminator(picture[None]).score for picture in pictures])
    torch.testing.assert_close(discriminator(pictures).score, alone)
    mixing = DcganDiscriminator(DcganConfig(**SMALL, dropout=0.0))
    assert not torch.allclose(mixing(pictures).score[:2], mixing(pictures[:2]).score)


def test_initial_weights_are_small_and_the_first_picture_is_grey():
    generator = DcganGenerator(DcganConfig())
    assert generator.grid[0].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert generator(torch.randn(8, 100), torch.zeros(8, 0)).abs().mean() < 0.5


def test_class_reaches_both_networks():
    config = DcganConfig(**SMALL, classes=3, normalisation="none", dropout=0.0)
    generator, discriminator = DcganGenerator(config).eval(), DcganDiscriminator(config)
    latent, one_hot = torch.randn(3, 5), torch.eye(3)
    pictures = generator(latent[:1].expand(3, -1), one_hot)
    assert (pictures[0] - pictures[1]).abs().max() > 0
    scores = discriminator(pictures[:1].expand(3, -1, -1, -1), condition=one_hot).score
    assert len(scores.unique()) == 3
    assert config.sees_condition
    assert not DcganConfig().sees_condition


def test_condition_is_what_the_maps_hold():
    """The maps of Mirza & Osindero: a class's map is 1 everywhere, the others 0."""
    config = DcganConfig(**SMALL, classes=3, normalisation="none", dropout=0.0)
    discriminator, seen = DcganDiscriminator(config), []
    discriminator.blocks.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    picture = torch.randn(1, 1, 28, 28)
    discriminator(picture, condition=torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(seen[0][:, :1], picture)
    assert seen[0][0, 1:].mean(dim=(1, 2)).tolist() == [0, 1, 0]


def test_packs_are_scored_together():
    config = DcganConfig(**SMALL, pac=2, normalisation="none", dropout=0.0)
    discriminator = DcganDiscriminator(config)
    pictures = torch.randn(6, 1, 28, 28, requires_grad=True)
    scores = discriminator(pictures).score
    assert scores.shape == (3,)
    (gradient,) = torch.autograd.grad(scores[1], pictures)
    assert [bool(g.any()) for g in gradient] == [False, False, True, True, False, False]
    with pytest.raises(ValidationError, match="take one of them"):
        DcganConfig(pac=2, minibatch_stddev=True)


def test_recalibrated_norms_make_pictures_that_do_not_depend_on_the_batch():
    torch.manual_seed(1)
    generator = DcganGenerator(DcganConfig(**SMALL))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(3).add_(0.1)
    latents = torch.randn(4, 50, 5)
    recalibrated(generator, list(latents), [torch.zeros(50, 0)] * 4)
    norm = generator.grid[1]
    raw = generator.grid[0](latents.flatten(0, 1))
    torch.testing.assert_close(norm.running_mean, raw.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, raw.unflatten(0, (4, 50)).var(1).mean(0), rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1
    together = generator(latents[0], torch.zeros(50, 0))
    torch.testing.assert_close(generator(latents[0, :1], torch.zeros(1, 0)), together[:1], rtol=1e-4, atol=1e-5)


def test_classifier_halves_each_block_but_the_first():
    network = DigitClassifier(DigitClassifierConfig(widths=(4, 6, 8), embedding=7, classes=5)).eval()
    seen = network(torch.randn(2, 1, 28, 28))
    assert (seen.logits.shape, seen.embedding.shape) == ((2, 5), (2, 7))
    assert network.embed[1].in_features == 8 * 7 * 7
