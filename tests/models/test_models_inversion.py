"""Inversion networks: what magnitudes alone determine, any batch the same sound, a baseline that cannot tell time."""

import math

import pytest
import torch
from pydantic import ValidationError

from darktimbre.measures.spectral import spectral_convergence
from darktimbre.models import inversion
from darktimbre.models.inversion import (
    InversionConfig,
    InversionNetwork,
    following_phase,
    lobe_offset,
    partial_lobes,
    peak_places,
    peaks,
    refined,
)
from darktimbre.models.inversion_folded import coded_peaks, fold
from darktimbre.representation import stft
from darktimbre.representation.mel import mel_pair

SMALL = {"samples": 6000, "n_fft": 512, "hop": 64, "bands": 40, "frames": 96, "width": 16, "blocks": 1}


def network(**settings: object) -> InversionNetwork:
    torch.manual_seed(0)
    return InversionNetwork(InversionConfig(**{**SMALL, **settings})).eval()


def logs(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 40, 96, generator=torch.Generator().manual_seed(1)) - 2


@pytest.mark.parametrize("architecture", ["partials", "mcnn"])
def test_any_batch_gives_the_same_sound_of_the_right_length(architecture):
    net, pitch = network(architecture=architecture), torch.tensor([60.0, math.nan, 61.5])
    with torch.no_grad():
        together = net(logs(), pitch)
        alone = torch.cat([net(logs()[one : one + 1], pitch[one : one + 1]) for one in range(3)])
    assert together.shape == (3, 6000)
    assert together.isfinite().all()
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["partials", "mcnn"])
def test_no_pitch_is_a_pitch_of_nan_and_every_weight_has_a_gradient(architecture):
    net = network(architecture=architecture)
    torch.testing.assert_close(net(logs()), net(logs(), torch.full((3,), math.nan)))
    pitch = torch.tensor([60.0, 64.0, math.nan])
    loss = net(logs(), pitch).square().mean()
    if architecture == "partials":  # its frequencies are constants to the sound, and have a loss of their own
        loss = loss + net.body.sharpened(logs(), pitch)[1].square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def shaken(**settings: object) -> InversionNetwork:
    """With weights that are not those it starts from, so that every part counts."""
    net = network(**settings)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    return net


@pytest.mark.parametrize("settings", [{}, {"refinements": 0, "rounds": 0}, {"hop": 32, "frames": 190, "blocks": 2}])
def test_folded_is_the_same_function(settings):
    net, pitch = shaken(**settings), torch.tensor([60.0, math.nan, 61.5])
    given = torch.randn(3, 40, net.config.frames, generator=torch.Generator().manual_seed(5)).cumsum(1) * 0.3 - 2
    with torch.inference_mode():
        one, other, rounded = net(given, pitch), *(fold(net, bf16=bf16)(given, pitch) for bf16 in (False, True))
    apart, by_rounding = ((one - each).square().sum(dim=1) / one.square().sum(dim=1) for each in (other, rounded))
    print(f"folded is apart by {apart.tolist()} of the energy, with products of bfloat16 {by_rounding.tolist()}")
    assert apart.max() < 1e-2  # two magnitudes within rounding of each other may change places as peaks
    assert apart.median() < 1e-4
    first, second = (stft.forward(each, n_fft=512, hop=128).abs() for each in (one, rounded))
    assert spectral_convergence(first.numpy(), second.numpy()).max() < 0.1  # phases may be others


def test_folded_has_the_gradient_of_the_network_and_its_baseline_is_the_network():
    net = shaken()
    given = logs(1).requires_grad_()
    torch.testing.assert_close(fold(net)(given), net(given))
    fold(net)(given).square().sum().backward()
    assert given.grad.abs().sum() > 0
    baseline = network(architecture="mcnn")
    assert fold(baseline) is baseline


def test_coded_peaks_are_the_peaks():
    magnitude = torch.rand(50, 9, generator=torch.Generator().manual_seed(2)) * 1e3 + 1e-6
    found = torch.arange(50) + coded_peaks(magnitude.t().contiguous())
    assert torch.equal(found, peaks(magnitude[None])[0])
    assert torch.equal(coded_peaks(torch.ones(1, 30)).abs() <= 2, torch.ones(1, 30, dtype=torch.bool))


def test_consistent_magnitudes_have_the_sums_of_the_bands():
    body = network(rounds=50).body
    truth = torch.rand(2, body.bins, 5, generator=torch.Generator().manual_seed(6)) + 0.1
    mel = body.basis @ truth
    start = torch.ones_like(truth)
    found = body.consistent(start, mel)
    before, after = (((body.basis @ one - mel).norm() / mel.norm()).item() for one in (start, found))
    assert after < 0.01 * before
    torch.testing.assert_close(body.consistent(truth, mel), truth, atol=1e-4, rtol=1e-4)  # nothing to correct
    bins, bands = torch.arange(body.bins), body.config.bands
    spread = torch.zeros(body.bins, bands)
    spread[bins, body.lower] += body.share[:, 0]
    spread[bins, body.upper] += 1 - body.share[:, 0]
    wanted = mel_pair(body.config.sample_rate, body.config.n_fft, bands, torch.float32, torch.device("cpu"))[1]
    torch.testing.assert_close(spread[1:-1], wanted[1:-1])  # DC and Nyquist lie in no band


def test_the_sound_depends_on_the_pitch_where_it_is_known():
    net = network()
    torch.nn.init.normal_(net.body.per_band.weight, std=0.1)
    with torch.no_grad():
        one, other = (net(logs(1), torch.tensor([pitch])) for pitch in (60.0, 67.0))
    assert (one - other).abs().max() > 1e-3


def test_lobes_rise_at_the_partials_also_of_stiff_strings():
    bins, none = torch.arange(400.0), torch.zeros(2, 1)
    distance, narrow = partial_lobes(bins, torch.tensor([20.0, math.nan]), none, none)
    assert (narrow[0, 20::20] == narrow[0].max()).all()
    assert (distance[0, 20::20] == 0).all()
    assert (distance[0, 21::20] == 1).all()
    assert narrow[0, 30] == narrow[0].min()
    assert not any(shape[1].any() for shape in (distance, narrow))  # no pitch: nothing is known
    moved = torch.tensor([20.0]), torch.full((1, 1), 0.05), torch.full((1, 1), 1e-3)
    stretched = partial_lobes(bins, *moved)[1][0, :, 0]
    for number in (1, 5, 10):
        place = 21 * number * (1 + 1e-3 * number**2)
        assert stretched[round(place)] > stretched[round(place) + 4]
        assert abs(float(stretched[round(place) - 3 : round(place) + 4].argmax()) - 3) <= 1


def test_peaks_of_the_bands_are_where_the_partials_are():
    body = InversionNetwork(InversionConfig(width=8, blocks=1)).body
    hertz = torch.tensor([200.0, 517.3, 1303.1, 2004.9])
    magnitude = stft.forward(tone(hertz), n_fft=2048, hop=512).abs().transpose(1, 2)[..., 4:-4]
    level = torch.log(body.basis @ magnitude * body.mean + 1e-5)
    found = peak_places(level, body.centres, body.spacing)
    for note, wanted in enumerate(hertz / 16000 * 2048):
        near = (body.centres - wanted).abs() < body.spacing[:, 0]
        apart = (found[note, near] - wanted).abs().max() / body.spacing[near].max()
        print(f"{hertz[note]:.1f} Hz: apart by {apart:.3f} bands")
        assert apart < 0.15


def test_peaks_are_the_strongest_bins_nearby():
    magnitude = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(2))
    found = peaks(magnitude)
    for bin_ in range(50):
        low = max(0, bin_ - inversion.REACH)
        wanted = magnitude[:, low : bin_ + inversion.REACH + 1].argmax(dim=1) + low
        assert torch.equal(found[:, :, bin_], wanted)


def tone(hertz: torch.Tensor, onset: int = 0) -> torch.Tensor:
    time = torch.arange(16000) / 16000
    wave = torch.sin(2 * math.pi * hertz[:, None] * time)
    wave[:, :onset] = 0
    return wave


@pytest.mark.parametrize("hop", [256, 512])
def test_phases_that_follow_from_magnitudes_are_those_of_steady_and_of_struck_tones(hop):
    hertz = torch.tensor([300.0, 441.3, 2203.7])
    for onset, enough in ((0, -24), (6000, -15)):
        magnitude = stft.forward(tone(hertz, onset), n_fft=2048, hop=hop).abs().transpose(1, 2)
        phase = following_phase(magnitude, lobe_offset(magnitude), hop=hop, n_fft=2048)
        made = refined(magnitude, phase, n_fft=2048, hop=hop, samples=16000, iterations=0)
        again = stft.forward(made, n_fft=2048, hop=hop).abs().transpose(1, 2)
        found = 20 * torch.from_numpy(spectral_convergence(magnitude.numpy(), again.numpy())).log10()
        print(f"hop {hop}, onset {onset}: {found.tolist()}")
        assert found.max() < enough


def test_refining_comes_nearer_and_none_is_the_plain_inverse():
    waves = torch.randn(2, 8000, generator=torch.Generator().manual_seed(3))
    magnitude = stft.forward(waves, n_fft=512, hop=128).abs().transpose(1, 2)
    phase = following_phase(magnitude, lobe_offset(magnitude), hop=128, n_fft=512)
    apart = []
    for iterations in (0, 1, 2, 4):
        made = refined(magnitude, phase, n_fft=512, hop=128, samples=8000, iterations=iterations)
        again = stft.forward(made, n_fft=512, hop=128).abs().transpose(1, 2)
        apart.append(float((again - magnitude).norm()))
    assert apart == sorted(apart, reverse=True)
    spectra = torch.polar(magnitude, phase).transpose(1, 2)
    plain = stft.inverse(spectra, n_fft=512, hop=128, samples=8000)
    torch.testing.assert_close(refined(magnitude, phase, n_fft=512, hop=128, samples=8000, iterations=0), plain)


def test_of_a_steady_spectrogram_the_baseline_makes_a_wave_with_the_period_of_a_hop():
    """Its limit: it moves with its input by whole hops and has no other sense of time, so that a steady partial comes
    out at multiples of rate / hop alone, wherever it should lie."""
    with torch.no_grad():
        wave = network(architecture="mcnn")(logs(1)[..., :1].expand(-1, -1, 96))[0, 2000:4000]
    assert wave.std() > 0
    torch.testing.assert_close(wave[64:], wave[:-64], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kernel": 4}, "odd"),
        ({"frames": 20}, "do not hold"),
        ({"hop": 128}, "no eighth"),
        ({"architecture": "mcnn", "hop": 96, "frames": 64}, "power of two"),
        ({"wdith": 4}, "wdith"),
    ],
)
def test_impossible_sizes_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        InversionConfig(**{**SMALL, **settings})
