"""Soft labels reach the first layer with mean 0 and deviation 1, in order, and beyond their training range."""

import pytest
import torch

from darktimbre.models.whitening import LabelWhitening

SCALES = pytest.mark.parametrize("scale", ["roots", "logarithms"])


@SCALES
def test_training_labels_become_standard_and_the_pitch_stays(scale) -> None:
    torch.manual_seed(0)
    soft = torch.rand(200, 3) ** 6  # crowded near 0, as soft labels are
    one_hot = torch.eye(4)[torch.arange(200) % 4]
    whiten = LabelWhitening(4, 3, scale)
    whiten.fit(soft)
    out = whiten(torch.cat([one_hot, soft], dim=1))
    assert torch.equal(out[:, :4], one_hot)
    torch.testing.assert_close(out[:, 4:].mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[:, 4:].std(dim=0, correction=0), torch.ones(3))


@SCALES
def test_grows_through_zero_and_beyond_one_with_finite_slope(scale) -> None:
    whiten = LabelWhitening(0, 1, scale)
    whiten.fit(torch.rand(50, 1))
    labels = torch.linspace(-1, 5, 61)[:, None].requires_grad_()
    out = whiten(labels)
    assert (out.diff(dim=0) > 0).all()
    out.sum().backward()
    assert torch.isfinite(labels.grad).all()


def test_logarithms_are_nearly_linear_in_the_teachers_logits() -> None:
    logits = torch.linspace(-11, -1, 50)
    whiten = LabelWhitening(0, 1, "logarithms")
    read = whiten((logits / 1.5).sigmoid()[:, None])[:, 0]
    assert torch.corrcoef(torch.stack([logits, read]))[0, 1] > 0.995


@SCALES
def test_a_label_that_never_varies_is_not_blown_up(scale) -> None:
    whiten = LabelWhitening(0, 1, scale)
    whiten.fit(torch.full((10, 1), 0.25))
    assert abs(whiten(torch.tensor([[0.26]])).item()) < 1.0
