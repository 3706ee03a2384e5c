"""How inputs are written, what they must survive and should not be, and what fools a network."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from tests.bundle.tiny import tiny_bundle
from torch import Tensor, nn

from darktimbre.bundle.edits import KeptEdit
from darktimbre.dissection import transforms as t
from darktimbre.dissection.adversarial import blended, perturbed, transfer
from darktimbre.dissection.objectives import (
    Objective,
    attribute,
    high_frequency,
    l2,
    logit,
    total_variation,
    unlike_bilateral,
    unlike_blurred,
)
from darktimbre.dissection.parametrisations import (
    Condition,
    Fourier,
    Latent,
    Parametrisation,
    Phases,
    Picture,
    Pixels,
    frequencies,
    magnitudes_of,
)
from darktimbre.dissection.search import maximise
from darktimbre.dissection.subject import Seen, Subject, critic_of
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

SIZE = (3, 24, 20)


def drawn(written: Parametrisation, seed: int = 0) -> Tensor:
    written.start(torch.Generator().manual_seed(seed))
    return written()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def instrument() -> Synthesizer:
    return Synthesizer(tiny_bundle(discriminator=True))


# ── how inputs are written ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "written",
    [Pixels(SIZE, 2), Pixels(SIZE, 2, colour=True), Fourier(SIZE, 2, decay=1.5), Fourier((1, 9, 7), 2),
     Phases(torch.ones(3, 24, 11), 20, 2)],
)  # fmt: skip
def test_images_lie_between_0_and_1_and_rows_are_written_apart(written: Parametrisation) -> None:
    images = drawn(written)
    assert len(images) == 2
    assert 0 <= images.min() <= images.max() <= 1
    images[0].square().sum().backward()
    for parameter in written.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().sum() > 0
        assert parameter.grad[1].abs().sum() == 0


def test_the_spectrum_of_an_image_decays_as_it_says() -> None:
    image = torch.logit(drawn(Fourier((1, 64, 64), 64, decay=1.5)).detach())
    power = torch.fft.rfft2(image).abs().square().mean((0, 1))
    waves = frequencies(64, 64)
    near = [power[(waves > low) & (waves < 1.2 * low)].mean() for low in (0.05, 0.2)]
    assert float(near[0] / near[1]) == pytest.approx(4 ** (2 * 1.5), rel=0.2)


def test_phases_keep_the_magnitudes_they_are_given() -> None:
    magnitudes = magnitudes_of(torch.rand(8, 1, 16, 16, generator=generator()))
    image = torch.logit(drawn(Phases(magnitudes, 16)), eps=1e-7)[0] / 4
    found = torch.fft.rfft2(image, norm="ortho").abs()[:, 1:, 1:-1]  # those that a real image leaves free
    torch.testing.assert_close(found, magnitudes[:, 1:, 1:-1], rtol=1e-3, atol=1e-4)


def test_a_filter_between_steps_is_applied_to_what_is_written() -> None:
    written = Pixels((1, 8, 8), between=lambda maps: t.blurred(maps, 1.0))
    before = torch.logit(drawn(written))
    written.project(generator())
    torch.testing.assert_close(torch.logit(written()), t.blurred(before, 1.0), rtol=1e-3, atol=1e-5)


def test_kept_edits_are_no_part_of_what_a_search_conditions_on() -> None:
    bundle = tiny_bundle()
    edit = KeptEdit(
        name="Bagpipes", layers=("stages.1",), direction=(1.0,) * bundle.editable["stages.1"], effect=1, notes=1
    )
    instrument = Synthesizer(bundle.with_edits([edit]))
    for written in (Latent(instrument, rows=2), Condition(instrument, rows=2)):
        found = maximise(channel_mean(), written, steps=1)
        assert found.condition is not None
        assert found.condition.shape[1] == bundle.attributes.size


def test_a_condition_keeps_pitch_and_latent_and_stays_between_0_and_1(instrument: Synthesizer) -> None:
    pitch = instrument.controls.attributes.pitches[0]
    written = Condition(instrument, pitch, rows=2)
    latent, begin = drawn(written).clone(), written.condition().detach().clone()
    assert latent.norm(dim=1) == pytest.approx(math.sqrt(latent.shape[1]), rel=1e-4)
    found = maximise(channel_mean(), written, steps=3, rate=1.0)
    assert torch.equal(found.inputs, latent)
    count = len(instrument.controls.attributes.pitches)
    assert found.condition is not None
    assert torch.equal(found.condition[:, :count], begin[:, :count])
    assert ((found.condition[:, count:] > 0) & (found.condition[:, count:] < 1)).all()
    assert not torch.allclose(found.condition[:, count:], begin[:, count:])


class channel_mean(Objective):
    """The mean of what a generator makes."""

    def __call__(self, seen: Seen) -> Tensor:
        return seen.output.flatten(1).mean(1)


def test_frequencies_of_quiet_places_hardly_move(instrument: Synthesizer) -> None:
    written = Picture(instrument, rows=1)
    drawn(written)
    if written.maps.shape[1] < 2:
        pytest.skip("this codec has no frequencies")
    written.maps.data[:, 0, :, 0], written.maps.data[:, 0, :, 1] = -3.0, 3.0
    written()[:, 1].sum().backward()
    assert written.maps.grad is not None
    quiet, loud = written.maps.grad[0, 1, :, :2].abs().mean(0)
    assert quiet < 0.01 * loud


# ── what they must survive ────────────────────────────────────────────────────────────────────────────────────────────

WAVES = 0.3 * torch.randn(3, 4000, generator=generator(7))
IMAGES, PICTURES, LATENTS = (
    torch.rand(*shape, generator=generator(8)) for shape in ((3, 3, 16, 12), (3, 2, 16, 12), (3, 8))
)
EVERY = [
    *((one, IMAGES) for one in (t.Pad(2), t.Jitter(4), t.Rescale(), t.Rotate(), t.Colour(), t.Blur())),
    *((one, WAVES) for one in (t.Shift(50), t.Gain(), t.Stretch(), t.Noise())),
    *((one, PICTURES) for one in (t.Frames(), t.Bilateral())),
    *((one, LATENTS) for one in (t.LatentNoise(), t.LatentDropout())),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "batch"), EVERY, ids=lambda one: type(one).__name__)
def test_transforms_are_differentiable_repeatable_and_keep_rows_apart(transform: t.Transform, batch: Tensor) -> None:
    given = batch.clone().requires_grad_()
    made = transform(given, generator(1))
    assert torch.equal(made, transform(batch, generator(1)))
    assert torch.isfinite(made).all()
    made[0].square().sum().backward()
    assert given.grad is not None
    assert torch.isfinite(given.grad).all()
    assert given.grad[0].abs().sum() > 0
    assert given.grad[1:].abs().sum() == 0


def test_no_turn_and_no_scaling_leave_the_image() -> None:
    for transform in (t.Rotate(0.0), t.Rescale(1.0), t.Colour(0.0), t.Jitter(0)):
        torch.testing.assert_close(transform(IMAGES, generator()), IMAGES, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pace", [0.95, 1.0, 1.05])
def test_a_stretched_tone_keeps_its_pitch_and_changes_its_length(pace: float) -> None:
    time = torch.arange(16000) / 16000
    tone = torch.sin(2 * math.pi * 440 * time) * (time < 0.5)
    made = t.Stretch().at(tone[None], pace)[0]
    assert made.shape == tone.shape
    peak = float(torch.fft.rfft(made * torch.hann_window(16000)).abs().argmax())
    assert peak == pytest.approx(440, abs=2)
    envelope = (made**2).cumsum(0) / (made**2).sum()
    assert float((envelope < 0.99).sum()) / 16000 == pytest.approx(0.99 * 0.5 / pace, abs=0.015)


def test_gain_shift_and_noise_are_what_they_say() -> None:
    ratio = 20 * torch.log10(t.Gain(6.0)(WAVES, generator())[:, 0] / WAVES[:, 0])
    assert (ratio.abs() <= 6.0).all()
    noise = t.Noise(-40.0)(WAVES, generator()) - WAVES
    level = 20 * torch.log10(noise.norm(dim=1) / WAVES.norm(dim=1))
    torch.testing.assert_close(level, torch.full((3,), -40.0), atol=0.5, rtol=0)
    one = torch.zeros(1, 100)
    one[0, 50] = 1.0
    assert abs(int(t.Shift(20)(one, generator())[0].argmax()) - 50) <= 20


def test_filters_keep_what_is_flat_and_the_bilateral_one_keeps_edges() -> None:
    edge = torch.cat([torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)], 3)
    assert torch.allclose(t.blurred(torch.full((1, 2, 6, 6), 0.3), 1.5), torch.tensor(0.3))
    torch.testing.assert_close(t.bilateral(edge, 1.0, 0.1), edge, atol=1e-6, rtol=0)
    assert (t.blurred(edge, 1.0) - edge).abs().max() > 0.2


def test_the_blur_is_a_gaussian() -> None:
    image = torch.rand(1, 1, 21, 17, generator=generator())
    wanted = gaussian_filter(image[0, 0].double().numpy(), 1.5, mode="nearest", radius=5)
    np.testing.assert_allclose(t.blurred(image, 1.5)[0, 0].numpy(), wanted, atol=1e-5)


# ── what they should not be; what fools a network ─────────────────────────────────────────────────────────────────────


def linear(classes: int = 4) -> Subject:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, classes)).requires_grad_(False)
    return Subject(network, "image", lambda image, condition: network(image), labels=[f"c{n}" for n in range(classes)])


@pytest.mark.parametrize(
    "penalty", [total_variation(), high_frequency(), unlike_blurred(), unlike_bilateral(values=2.0), l2()], ids=repr
)
def test_a_penalty_is_0_of_grey_and_makes_an_image_smoother(penalty: Objective) -> None:
    def of(images: Tensor) -> Tensor:
        return penalty(linear().see(images, "image"))

    grey, noise = torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 3, 8, 8, generator=generator())
    assert float(of(grey)) == pytest.approx(0, abs=1e-9)
    assert float(of(noise)) > 0
    found = maximise(logit("c1") - 1000 * penalty, Pixels((3, 8, 8)), linear(), steps=30)
    free = maximise(logit("c1"), Pixels((3, 8, 8)), linear(), steps=30)
    assert float(of(found.inputs)) < 0.2 * float(of(free.inputs))


def test_a_small_change_stays_small_and_moves_a_linear_network_as_far_as_can_be() -> None:
    subject, real = linear(2), torch.rand(2, 3, 8, 8, generator=generator()) * 0.8 + 0.1
    made = perturbed(subject, real, "image", logit("c1"), 0.05, steps=10)
    assert float((made - real).abs().max()) <= 0.05 + 1e-6
    weight = subject.network[1].weight[1].view(3, 8, 8)
    torch.testing.assert_close(made - real, (0.05 * weight.sign()).expand_as(real), atol=1e-6, rtol=0)
    before, after = (transfer(subject, one, "image", "c1").probability for one in (real, made))
    assert all(b > a for a, b in zip(before, after, strict=True))


def test_a_change_of_a_wave_has_its_level() -> None:
    network = nn.Linear(4000, 2).requires_grad_(False)
    subject = Subject(network, "wave", lambda wave, condition: network(wave), labels=["a", "b"])
    made = perturbed(subject, WAVES, "wave", "b", 10 ** (-30 / 20))
    level = 20 * torch.log10((made - WAVES).norm(dim=1) / WAVES.norm(dim=1))
    assert (level <= -29.99).all()
    assert transfer(subject, made, "wave", "b").rank == (1, 1, 1)


def test_blending_goes_from_the_example_to_what_was_found() -> None:
    a, b = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    assert float(blended(a, b, 0.25).mean()) == 0.25


def test_an_attribute_needs_a_teacher(instrument: Synthesizer) -> None:
    with pytest.raises(UserError, match="of a teacher, and none is given"):
        maximise(attribute("Trumpet"), Picture(instrument), critic_of(instrument), steps=1)
    with pytest.raises(UserError, match="name the subject"):
        maximise(attribute("Trumpet"), Picture(instrument), steps=1)
