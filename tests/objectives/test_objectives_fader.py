"""The latent discriminator's loss and the encoder's answer to it."""

import math

import pytest
import torch

from darktimbre.objectives.fader import hidden_style, style_cross_entropy


def test_values_at_chance():
    logits, style = torch.zeros(6, 4), torch.tensor([0, 1, 2, 3, -1, 0])
    assert float(style_cross_entropy(logits=logits, style=style)) == pytest.approx(math.log(4))
    assert float(hidden_style(logits=logits, style=style)) == pytest.approx(-math.log(0.75))


def test_untagged_notes_do_not_count():
    logits, style = torch.randn(3, 4), torch.tensor([1, -1, 2])
    for function in (style_cross_entropy, hidden_style):
        torch.testing.assert_close(function(logits=logits, style=style), function(logits=logits[::2], style=style[::2]))
        assert float(function(logits=logits, style=torch.full((3,), -1))) == 0


def test_gradients_are_opposed_and_the_encoders_fades_once_the_style_is_hidden():
    logits, style = torch.randn(5, 3, requires_grad=True), torch.tensor([0, 1, 2, 0, 1])
    (found,) = torch.autograd.grad(style_cross_entropy(logits=logits, style=style), logits)
    (hidden,) = torch.autograd.grad(hidden_style(logits=logits, style=style), logits)
    places = style[:, None]
    assert (found.gather(1, places) < 0).all()  # the discriminator raises the true style's logit
    assert (hidden.gather(1, places) > 0).all()  # the encoder lowers it
    wrong = torch.tensor([[-9.0, 9.0]], requires_grad=True)
    (rest,) = torch.autograd.grad(hidden_style(logits=wrong, style=torch.tensor([0])), wrong)
    assert rest.abs().max() < 1e-6


def test_the_encoder_has_a_gradient_where_the_discriminator_is_certain():
    logits = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)
    loss = hidden_style(logits=logits, style=torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == pytest.approx(60 - math.log(2))
    assert gradient[0].tolist() == pytest.approx([1.0, -0.5, -0.5])


def test_two_styles_are_lamples_loss():
    logits, style = torch.randn(8, 2), torch.randint(0, 2, (8,))
    flipped = style_cross_entropy(logits=logits, style=1 - style)  # −log P(1 − y | z), eq. 3
    torch.testing.assert_close(hidden_style(logits=logits, style=style), flipped)
