"""Phases in one pass: known sounds come back, the tree is the heap's where it must be, the codec offers both."""

import heapq

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.representation.test_representation_griffin_lim import SIZE, convergence

from darktimbre.notes.errors import UserError
from darktimbre.representation import stft
from darktimbre.representation.codec import Codec, codec_from_config
from darktimbre.representation.config import CodecConfig
from darktimbre.representation.griffin_lim import griffin_lim
from darktimbre.representation.phase_gradient import (
    HANN_GAMMA,
    Steps,
    edges,
    gaussian_places,
    hann_places,
    integrated,
    phase_gradient,
    steps,
    summed,
)
from darktimbre.representation.single_pass import lobe, single_pass

SAMPLES = 4000


def note(f0: float) -> torch.Tensor:
    time = torch.arange(SAMPLES, dtype=torch.float64) / 16000
    return sum(torch.sin(2 * torch.pi * f0 * k * time) * torch.exp(-4 * k * time) / k for k in range(1, 8))


@pytest.fixture(scope="module")
def waves() -> torch.Tensor:
    """Two harmonic notes that decay, a click amid silence, and noise that dies away."""
    click = torch.zeros(SAMPLES, dtype=torch.float64)
    click[1700] = 1
    noise = torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.stack([note(220), note(523.3), click, noise * torch.linspace(1, 0, SAMPLES) ** 4])


@pytest.fixture(scope="module")
def magnitude(waves: torch.Tensor) -> torch.Tensor:
    """The click's are equal at all frequencies: rounding, which differs from processor to processor, would choose
    where a tree starts, and with it the click's one free phase, from -12 to -42 dB. Changes of 1e-6 choose it
    here."""
    drawn = torch.rand(len(waves), 32, 257, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return stft.forward(waves, **SIZE).abs() * (1 + 1e-6 * drawn)


def sound(spectra: torch.Tensor) -> torch.Tensor:
    return stft.inverse(spectra, **SIZE, samples=SAMPLES)


# ----------------------------------------------------------------------------
# The gradient


def test_the_gaussian_is_the_hann_windows() -> None:
    """γ lies between those of the Gaussians nearest in shape and nearest in value."""
    place = np.arange(2048) - 1024
    hann = stft.hann(2048, torch.float64, torch.device("cpu")).numpy()
    gammas = np.linspace(0.2, 0.3, 201)
    gaussians = np.exp(-np.pi * place**2 / (gammas[:, None] * 2048**2))
    shape = gammas[np.argmax(gaussians @ hann / np.linalg.norm(gaussians, axis=1))]
    value = gammas[np.argmin(np.square(gaussians - hann).sum(axis=1))]
    assert shape < HANN_GAMMA < value
    assert value - shape < 0.02


def turned(angle: np.ndarray) -> np.ndarray:
    """|angle| after whole turns are taken off."""
    return np.abs(np.angle(np.exp(1j * angle)))


def test_the_gaussian_gradient_is_right_under_the_gaussian() -> None:
    """A chirp: where it is loud, measured phase differences are the steps, to second order of the grid."""
    n_fft, hop, time = 512, 16, np.arange(-2048, 2048)
    chirp = np.exp(2j * np.pi * (0.12 * time + 0.5 * 2e-5 * time**2))
    window = np.exp(-np.pi * np.arange(-768, 768) ** 2 / (HANN_GAMMA * n_fft**2))
    waves = np.exp(-2j * np.pi * np.outer(np.arange(100), np.arange(-768, 768)) / n_fft)
    spectra = np.stack([waves @ (chirp[1280 + n * hop : 2816 + n * hop] * window) for n in range(-20, 20)])
    taken = steps(np.abs(spectra), n_fft=n_fft, hop=hop, places=gaussian_places)
    loud = np.abs(spectra) > 1e-2 * np.abs(spectra).max()
    loud[[0, -1]] = False  # where the slope is one-sided
    in_time, in_frequency = np.diff(np.angle(spectra), axis=0), np.diff(np.angle(spectra), axis=1)
    assert turned(in_time - taken.time[:-1])[loud[1:] & loud[:-1]].max() < 0.02
    assert turned(in_frequency - taken.frequency[:, :-1])[loud[:, 1:] & loud[:, :-1]].max() < 0.02


@pytest.mark.parametrize("frequency", [20.0, 20.31, 20.5])  # bins
def test_the_hann_gradient_is_exact_for_a_lone_partial(frequency: float) -> None:
    wave = torch.exp(2j * torch.pi * frequency / 512 * torch.arange(SAMPLES, dtype=torch.float64))
    pieces = wave.unfold(0, 512, 128) * stft.hann(512, torch.float64, wave.device)
    spectra = torch.fft.fft(pieces)[:, :257].numpy()
    taken = steps(np.abs(spectra), n_fft=512, hop=128)
    near = slice(20, 22) if frequency > 20 else slice(20, 21)  # bins within one of it
    assert turned(np.diff(np.angle(spectra), axis=0) - taken.time[:-1])[:, near].max() < 1e-3
    gaussian = steps(np.abs(spectra), n_fft=512, hop=128, places=gaussian_places)
    assert turned(np.diff(np.angle(spectra), axis=0) - gaussian.time[:-1])[:, near].max() < 0.1


@pytest.mark.parametrize("place", [1664, 1700, 1727])  # samples; a frame's middle is at 1664
def test_the_hann_gradient_is_exact_for_a_lone_click(place: int) -> None:
    wave = torch.zeros(1, SAMPLES, dtype=torch.float64)
    wave[0, place] = 1
    spectra = stft.forward(wave, **SIZE)[0].numpy() * np.where(np.arange(257) % 2, -1, 1)
    taken = steps(np.abs(spectra), **SIZE)
    growth = np.diff(np.angle(spectra), axis=1)
    assert turned(growth - taken.frequency[:, :-1])[13].max() < 1e-3
    # The whole click comes back but for one constant of phase, which magnitudes do not tell.
    magnitude = torch.from_numpy(np.abs(spectra))[None]
    made = phase_gradient(magnitude, **SIZE)[0].numpy() * np.where(np.arange(257) % 2, -1, 1)
    assert abs(np.vdot(made, spectra)) > 0.999 * np.square(np.abs(spectra)).sum()


# ----------------------------------------------------------------------------
# The tree


def by_tree(magnitude: np.ndarray, points: np.ndarray, taken: Steps) -> np.ndarray:
    """Phases in the order of `points`, 0 at the strongest point of every island, as a heap that starts there has it."""
    falling = np.argsort(-magnitude.ravel()[points])
    phase = np.zeros(magnitude.size)
    phase[points[falling]] = summed(edges(points[falling], taken), len(points))
    known = np.zeros(magnitude.size, bool)
    known[points] = True
    islands, count = ndimage.label(known.reshape(magnitude.shape))
    tops = ndimage.maximum_position(magnitude, islands, range(1, count + 1))
    constants = [0.0, *(phase.reshape(magnitude.shape)[top] for top in tops)]
    return (phase - np.array(constants)[islands.ravel()])[points]


def by_heap(magnitude: np.ndarray, points: np.ndarray, taken: Steps, *, settle_late: bool) -> tuple[np.ndarray, int]:
    """The plain heap. Settled early (Průša et al. 2017, algorithm 1): a point has its phase from the first neighbour
    taken from the heap. Settled late (Prim 1957): from the strongest of those taken before it is taken itself.
    """
    size, bins = magnitude.size, magnitude.shape[1]
    strength, waiting = magnitude.ravel(), set(points.tolist())
    phase, reached, operations = np.zeros(size), set(), 0

    def neighbours(point: int):
        frequency = point % bins
        if point + bins < size:
            yield point + bins, taken.time.flat[point]
        if point >= bins:
            yield point - bins, -taken.time.flat[point - bins]
        if frequency + 1 < bins:
            yield point + 1, taken.frequency.flat[point]
        if frequency > 0:
            yield point - 1, -taken.frequency.flat[point - 1]

    for root in sorted(points.tolist(), key=lambda point: -strength[point]):
        if root not in waiting:
            continue
        heap = [((0.0, 0.0), root, 0.0)]
        while heap:
            _, point, value = heapq.heappop(heap)
            operations += 1
            if point not in waiting:
                continue
            waiting.remove(point)
            phase[point] = value
            for other, step in neighbours(point):
                if other not in waiting or (other in reached and not settle_late):
                    continue
                reached.add(other)
                ends = sorted((-strength[point], -strength[other]), reverse=True)
                key = tuple(ends) if settle_late else (-strength[other], 0.0)
                heapq.heappush(heap, (key, other, value + step))
    return phase[points], operations


def random_spectrogram(seed: int, shape: tuple[int, int] = (14, 40)) -> np.ndarray:
    return np.exp(2 * np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_is_prims(seed: int) -> None:
    """Every phase equals that of a plain heap that settles late, islands and all, in rugged random spectrograms."""
    spectrogram = random_spectrogram(seed)
    points = np.flatnonzero(spectrogram > 0.5)
    taken = steps(spectrogram, n_fft=80, hop=20)
    expected, _ = by_heap(spectrogram, points, taken, settle_late=True)
    np.testing.assert_allclose(by_tree(spectrogram, points, taken), expected, atol=1e-9)


def test_around_one_peak_the_tree_is_the_papers_heap() -> None:
    """Where every superlevel set is connected, the strongest neighbour is the first that the heap reaches."""
    frame, frequency = np.mgrid[:24, :50]
    for tilt in (0.0, 0.7, -0.4):
        hill = np.exp(-(((frame - 9.3) / 9) ** 2) - ((frequency - 21.7 - tilt * (frame - 9.3)) / 14) ** 2)
        points = np.arange(hill.size)
        taken = Steps(*np.random.default_rng(0).standard_normal((2, *hill.shape)))
        expected, _ = by_heap(hill, points, taken, settle_late=False)
        np.testing.assert_allclose(by_tree(hill, points, taken), expected, atol=1e-9)


def test_where_the_papers_heap_differs_it_took_the_weaker_neighbour() -> None:
    """From 10 over 1 the heap settles 4 and 2, then 8 from 4; 2 stays with 1 though the stronger 8 is beside it."""
    spectrogram = np.array([[10.0, 1.0, 4.0], [0.1, 2.0, 8.0]])
    points = np.flatnonzero(spectrogram > 0.5)  # 10, 1, 4, 2, 8
    taken = Steps(np.full((2, 3), 0.25), np.ones((2, 3)))
    early, _ = by_heap(spectrogram, points, taken, settle_late=False)
    late, _ = by_heap(spectrogram, points, taken, settle_late=True)
    phase = by_tree(spectrogram, points, taken)
    np.testing.assert_allclose(phase, late)
    assert phase[3] == phase[4] - 1  # 2 follows from 8
    assert early[3] == early[1] + 0.25  # from 1


def test_the_tree_is_no_worse_than_the_heap_and_touches_each_point_once(magnitude: torch.Tensor, capsys) -> None:
    """For each note. Both sum the same steps, of float64, in another order: where they take the same ways, as in the
    click, they differ by rounding alone, far below 1e-6 dB."""
    errors: dict[str, list[float]] = {"tree": [], "heap": []}
    sign = np.where(np.arange(257) % 2, -1, 1)
    for one in magnitude.numpy():
        points = np.flatnonzero(one > 1e-4 * one.max())
        taken = steps(one, **SIZE)
        phases = {"tree": by_tree(one, points, taken)}
        phases["heap"], operations = by_heap(one, points, taken, settle_late=False)
        assert operations == len(points)  # each point is pushed and popped once
        for name, phase in phases.items():
            spectra = np.zeros(one.shape, complex)
            spectra.flat[points] = one.flat[points] * np.exp(1j * phase)
            made = sound(torch.from_numpy(spectra * sign)[None])
            errors[name].append(20 * np.log10(convergence(torch.from_numpy(one)[None], made)[0]))
    with capsys.disabled():
        tree, heap = (" ".join(f"{decibels:.2f}" for decibels in errors[name]) for name in errors)
        print(f"\n  spectral convergence, dB: tree {tree}, heap {heap}", end="")
    for tree, heap in zip(*errors.values(), strict=True):
        assert tree <= heap + 1e-6


# ----------------------------------------------------------------------------
# Single pass


def test_a_peak_is_found_between_the_bins_and_its_lobe_is_the_windows() -> None:
    frequency = 20.3
    spectrum = np.fft.fft(np.hanning(513)[:512] * np.exp(2j * np.pi * frequency * (np.arange(512) - 256) / 512))
    centred = spectrum * np.where(np.arange(512) % 2, -1, 1)
    distance = torch.arange(5, 37) - frequency
    np.testing.assert_allclose(np.cos(lobe(distance).numpy()), np.sign(centred[5:37].real))


def test_a_steady_sine_comes_back_nearly_whole() -> None:
    wave = torch.sin(2 * torch.pi * 20.37 / 512 * torch.arange(SAMPLES, dtype=torch.float64))[None]
    magnitude = stft.forward(wave, **SIZE).abs()
    for inverted in (single_pass, phase_gradient):
        assert convergence(magnitude, sound(inverted(magnitude.clone(), **SIZE)))[0] < 0.2


# ----------------------------------------------------------------------------
# What both promise


PASSES = {"phase-gradient": phase_gradient, "single-pass": single_pass}


@pytest.mark.parametrize("name", PASSES)
def test_the_magnitudes_are_kept_and_notes_do_not_depend_on_each_other(name: str, magnitude: torch.Tensor) -> None:
    for given, tolerance in ((magnitude, 1e-12), (magnitude.float(), 1e-5)):
        together = PASSES[name](given, **SIZE)
        assert together.abs().dtype == given.dtype
        torch.testing.assert_close(together.abs(), given, atol=tolerance, rtol=tolerance)
        alone = torch.cat([PASSES[name](one[None], **SIZE) for one in given])
        assert torch.equal(alone, together)
        assert torch.equal(PASSES[name](given, **SIZE), together)


@pytest.mark.parametrize("name", PASSES)
def test_silence_and_lone_points_have_finite_phases(name: str) -> None:
    magnitude = torch.zeros(4, 8, 257)
    magnitude[1] = 1e-30
    magnitude[2, 3, 100] = 1
    magnitude[3] = 1
    spectra = PASSES[name](magnitude, **SIZE)
    assert torch.view_as_real(spectra).isfinite().all()
    assert spectra[0].abs().max() == 0
    for frames in (1, 2):
        assert torch.view_as_real(PASSES[name](magnitude[3:, :frames], **SIZE)).isfinite().all()


def test_one_pass_is_nearer_than_as_many_milliseconds_of_griffin_lim(magnitude: torch.Tensor) -> None:
    """On notes and clicks better than eight iterations from random phases, and a better start for eight more."""
    start = phase_gradient(magnitude, **SIZE)
    once = convergence(magnitude, sound(start))
    eight = convergence(magnitude, griffin_lim(magnitude, **SIZE, samples=SAMPLES, iterations=8))
    refined = convergence(magnitude, griffin_lim(magnitude, **SIZE, samples=SAMPLES, iterations=8, start=start))
    assert (once[:3] < eight[:3]).all()
    assert (refined < 0.7 * eight).all()
    assert (refined < once).all()


def test_the_gradient_passes_through_the_magnitudes_alone(magnitude: torch.Tensor) -> None:
    given = magnitude[:1].clone().requires_grad_()
    made = phase_gradient(given, **SIZE)
    made.abs().sum().backward()
    assert given.grad is not None
    torch.testing.assert_close(given.grad, torch.ones_like(given))


# ----------------------------------------------------------------------------
# In the codec

TINY = {"samples": 3000, "n_fft": 512, "hop": 128, "mel_bands": 48}


@pytest.mark.parametrize("kind", ["logmag", "mel-logmag"])
@pytest.mark.parametrize("inversion", ["phase-gradient", "single-pass"])
def test_the_codec_decodes_batches_and_whatever_is_generated(kind: str, inversion: str) -> None:
    codec = Codec(CodecConfig(kind=kind, inversion=inversion, refinements=2, **TINY))
    waves = torch.stack([note(220), note(330), note(523.3)])[:, :3000].float() * 0.3
    codec = codec.fit([waves])
    spectrograms = codec.encode(waves)
    together = codec.decode(spectrograms)
    torch.testing.assert_close(
        torch.cat([codec.decode(one[None]) for one in spectrograms]), together, atol=1e-5, rtol=0
    )
    wild = torch.randn(4, *codec.shape, generator=torch.Generator().manual_seed(1)) * 3
    wild[1], wild[2], wild[3] = torch.nan, torch.inf, -torch.inf
    assert codec.decode(wild).isfinite().all()
    assert codec.decode(wild)[[1, 3]].abs().max() < 1e-3
    again = codec_from_config(codec.to_config())
    assert again.config == codec.config
    assert torch.equal(again.decode(spectrograms), together)


def test_refinements_come_nearer() -> None:
    wave = note(220)[None, :3000].float() * 0.3
    errors = []
    for refinements in (0, 2, 16):
        codec = Codec(CodecConfig(kind="logmag", inversion="phase-gradient", refinements=refinements, **TINY))
        back = codec.decode(codec.encode(wave))
        errors.append(convergence(stft.forward(wave, **SIZE).abs(), back)[0])
    assert errors[0] > errors[1] > errors[2]


def test_a_description_without_the_setting_means_and_says_what_it_did() -> None:
    described = Codec(CodecConfig(kind="logmag")).to_config()
    assert "inversion" not in described
    codec = codec_from_config(described)
    assert codec.config.inversion == "griffin-lim"
    assert codec.to_config() == described
    magnitude = codec._linear(codec._unlevel(torch.zeros(1, 1024, 32)))
    expected = griffin_lim(
        torch.nn.functional.pad(magnitude.transpose(1, 2), (1, 0)), n_fft=2048, hop=512, samples=16000, iterations=60
    )
    assert torch.equal(codec.decode(torch.zeros(1, 1, 1024, 32)), expected)
    assert "inversion" not in Codec().to_config()


def test_a_kind_with_phase_has_no_inversion_to_choose() -> None:
    with pytest.raises(UserError, match="hold their phase"):
        codec_from_config({"kind": "if", "inversion": "phase-gradient"})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", PASSES)
def test_a_cuda_device_gives_the_same(name: str, magnitude: torch.Tensor) -> None:
    made = PASSES[name](magnitude.cuda(), **SIZE)
    assert made.is_cuda
    torch.testing.assert_close(made.cpu(), PASSES[name](magnitude, **SIZE), atol=1e-6, rtol=0)


def test_below_the_tolerance_phases_are_left_open() -> None:
    spectrogram = random_spectrogram(3)
    phase = integrated(spectrogram, n_fft=80, hop=20, tolerance=0.05, places=hann_places)
    assert np.array_equal(np.isnan(phase), spectrogram <= 0.05 * spectrogram.max())
