"""The codec: round trips of real and made notes, scaling, batches, half precision, hostile spectrograms, gradients."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from darktimbre.measures.spectral import log_spectral_distance, snr
from darktimbre.notes.errors import UserError
from darktimbre.representation import stft
from darktimbre.representation.codec import SPAN, Codec, codec_from_config
from darktimbre.representation.config import CodecConfig

KINDS = ["if", "logmag", "mel-if", "mel-logmag"]
TINY = {"samples": 3000, "n_fft": 512, "hop": 128, "mel_bands": 48, "iterations": 10}


def made_notes(samples: int = 16000, rate: int = 16000) -> torch.Tensor:
    """Eight harmonic notes, 44 to 69, with an attack, a decay, a little noise and a fade-out."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(samples) / rate
    notes = []
    for midi in torch.linspace(44, 69, 8):
        f0 = 440 * 2 ** ((midi - 69) / 12)
        tone = sum(
            torch.sin(2 * torch.pi * (f0 * k * time + torch.rand(1, generator=generator))) * torch.exp(-k * time) / k
            for k in range(1, 12)
        )
        notes.append(0.2 * tone + 0.002 * torch.randn(samples, generator=generator))
    return torch.stack(notes) * torch.clamp((time[-1] - time) / 0.05, max=1)


@pytest.fixture(scope="module")
def real_notes() -> torch.Tensor:
    """Thirty-three NSynth notes' first seconds; made notes where the folder is not there."""
    files = sorted((Path(__file__).resolve().parents[3] / "shared/sounds/nsynth-mini/audio").glob("*.wav"))
    if not files:
        return made_notes()
    return torch.from_numpy(np.stack([soundfile.read(file, dtype="float32", frames=16000)[0] for file in files]))


def codec_of(kind: str, **settings) -> Codec:
    return Codec(CodecConfig(kind=kind, **settings))


# What comes back: median signal-to-noise ratio at least, median log-spectral distance at most (floor 1e-3).
ROUND_TRIPS = [
    ({"kind": "if", "drop_dc": False}, 100.0, 0.01),
    ({"kind": "if"}, 55.0, 0.4),  # what is lost is the DC bin: the offset of the recording and what lies below 12 Hz
    ({"kind": "if", "centred": True}, 55.0, 0.4),
    ({"kind": "mel-if"}, 8.0, 5.5),
    ({"kind": "mel-if", "centred": True}, 8.0, 5.5),
    ({"kind": "logmag"}, None, 2.0),
    ({"kind": "mel-logmag"}, None, 5.5),
]


@pytest.mark.parametrize(("settings", "least_snr", "greatest_distance"), ROUND_TRIPS)
def test_round_trip_of_real_notes(settings, least_snr, greatest_distance, real_notes, capsys) -> None:
    codec = codec_of(**settings).fit([real_notes])
    spectrograms = codec.encode(real_notes)
    assert spectrograms.shape[1:] == codec.shape
    back = codec.decode(spectrograms)

    def magnitude(waves: torch.Tensor) -> np.ndarray:
        return stft.forward(waves, n_fft=2048, hop=512).abs().transpose(1, 2).numpy()

    ratio = np.median(snr(real_notes.numpy(), back.numpy()))
    distance = np.median(log_spectral_distance(magnitude(real_notes), magnitude(back)))
    with capsys.disabled():
        name = " ".join(str(value) for value in settings.values())
        print(f"\n  round trip {name:12s} SNR {ratio:6.1f} dB, log-spectral distance {distance:6.3f} dB", end="")
    assert distance <= greatest_distance
    if least_snr is not None:
        assert ratio >= least_snr


def test_the_default_spectrogram_is_two_by_1024_by_32() -> None:
    assert Codec().shape == (2, 1024, 32)
    assert codec_of("if", samples=64000, frames=128).shape == (2, 1024, 128)


def test_a_spectrogram_padded_in_time_comes_back_as_well() -> None:
    waves = made_notes(6400)
    plain, padded = (codec_of("if", samples=6400, frames=frames) for frames in (None, 16))
    assert (plain.shape[2], padded.shape[2]) == (13, 16)
    torch.testing.assert_close(padded.encode(waves)[..., :13], plain.encode(waves), atol=1e-5, rtol=0)
    assert snr(waves.numpy(), padded.decode(padded.encode(waves)).numpy()).min() > 30


def amplification(codec: Codec, spectrograms: torch.Tensor, step: float = 1e-9) -> float:
    """The greatest change of a decoded sample, per relative change of magnitudes, of eight random changes (float64)."""
    generator, spectrograms = torch.Generator().manual_seed(0), spectrograms.double()
    level = 2 * SPAN / (codec.high - codec.low)  # of a spectrogram, per relative change of a magnitude
    changes = torch.rand(8, *spectrograms[:, 0].shape, generator=generator, dtype=torch.float64) * 2 - 1
    moved = [
        codec.decode(torch.cat([spectrograms[:, :1] + step * level * one[:, None], spectrograms[:, 1:]], 1))
        for one in changes
    ]
    return float((torch.stack(moved) - codec.decode(spectrograms)).abs().max()) / step


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_changes_nothing(kind: str, dtype: torch.dtype) -> None:
    """But the order of sums, which libraries choose by processor and size of the batch.

    In any order a sum of n products has an error of at most n·u of its terms' sizes, u being half of eps (Higham
    2002, §3.1): n is 28 for the longest mel band; an FFT of 512 has log₂ 512 · 7 u = 63 u (§24.1). What decoding
    makes of a relative change of magnitudes is measured; two orders may differ by twice that. Encoding takes a
    logarithm, which makes it less, and the angle of a band's arrow, which makes up to 9 times that of it (measured).
    """
    waves, u = made_notes(3000).to(dtype), torch.finfo(dtype).eps / 2
    codec = codec_of(kind, **TINY).fit([waves])
    spectrograms = codec.encode(waves)
    alone = torch.cat([codec.encode(wave[None]) for wave in waves])
    torch.testing.assert_close(alone, spectrograms, atol=2 * 9 * 28 * u, rtol=0)
    together = codec.decode(spectrograms)
    alone = torch.cat([codec.decode(spectrogram[None]) for spectrogram in spectrograms])
    torch.testing.assert_close(alone, together, atol=2 * (1 + amplification(codec, spectrograms)) * 63 * u, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_maps_the_extremes_of_the_training_split_and_does_not_depend_on_its_order(kind: str) -> None:
    waves = made_notes(3000)
    codec = codec_of(kind, **TINY).fit([waves[:5], waves[5:]])
    level = codec.encode(waves)[:, 0]
    assert level.min() == pytest.approx(-SPAN, abs=1e-5)
    assert level.max() == pytest.approx(SPAN, abs=1e-5)
    assert codec.fit([waves.flip(0)]).to_config() == codec.to_config()
    assert codec_of(kind, **TINY).encode(waves)[:, 0].abs().max() <= SPAN + 1e-5  # unfitted: what physics allows


def test_fitting_on_silence_says_so() -> None:
    with pytest.raises(UserError, match="silent"):
        Codec().fit([torch.zeros(2, 16000)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_description_makes_the_same_codec(kind: str) -> None:
    waves = made_notes(3000)
    codec = codec_of(kind, **TINY, centred=True).fit([waves])
    again = codec_from_config(json.loads(json.dumps(codec.to_config())))
    assert again.config == codec.config
    assert again.to_config() == codec.to_config()
    assert torch.equal(again.encode(waves), codec.encode(waves))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"colour": 1}, "colour"),
        ({"kind": "wavelet"}, "kind"),
        ({"hop": 500}, "hop 500"),
        ({"hop": 1024}, "at least 4"),
        ({"frames": 31}, "less than the 32"),
        ({"low": 1.0}, "both or neither"),
        ({"low": 1.0, "high": 1.0}, "not below"),
    ],
)
def test_an_impossible_description_is_refused_by_name(settings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        codec_from_config(settings)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_network_generates_the_sound_is_finite_and_bounded(kind: str) -> None:
    codec = codec_of(kind, **TINY).fit([made_notes(3000)])
    wild = torch.randn(6, *codec.shape, generator=torch.Generator().manual_seed(1)) * 3
    wild[1] = torch.nan
    wild[2] = torch.inf
    wild[3] = -torch.inf
    wild[4] = 1e30
    wild[5, :, ::7, ::3] = torch.nan
    sound = codec.decode(wild)
    assert sound.isfinite().all()
    assert sound[1].abs().max() < 1e-3  # NaN is silence
    assert sound[3].abs().max() < 1e-3
    loudest = float(np.exp(codec.low + (1 + SPAN) * (codec.high - codec.low) / (2 * SPAN)))
    assert sound.abs().max() <= loudest  # |x| ≤ Σ|X| / n_fft over all bins, each at most the loudest


def test_headroom_lets_a_louder_note_than_any_in_training_through() -> None:
    quiet = 0.2 * made_notes()
    codec = Codec(CodecConfig(centred=True)).fit([quiet])
    louder = 2.5 * quiet  # 8 dB
    spectrograms = codec.encode(louder)
    assert SPAN < spectrograms[:, 0].max() <= 1
    assert snr(louder.numpy(), codec.decode(spectrograms).numpy()).min() > 40


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_spectrograms_are_decoded_in_float32(dtype: torch.dtype) -> None:
    waves = made_notes()
    codec = Codec(CodecConfig(centred=True)).fit([waves])
    spectrograms = codec.encode(waves).to(dtype)
    sound = codec.decode(spectrograms)
    assert sound.dtype == torch.float32
    assert torch.equal(sound, codec.decode(spectrograms.float()))
    assert np.median(snr(waves.numpy(), sound.numpy())) > (20 if dtype == torch.float16 else 5)


def test_autocast_is_kept_out() -> None:
    waves = made_notes(3000)
    codec = codec_of("mel-if", **TINY).fit([waves])
    spectrograms = codec.encode(waves)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(codec.encode(waves), spectrograms)
        inside = codec.decode(spectrograms)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, codec.decode(spectrograms))


def test_float64_stays_float64() -> None:
    waves = made_notes().double()
    codec = codec_of("if", drop_dc=False, centred=True).fit([waves])
    assert snr(waves.numpy(), codec.decode(codec.encode(waves)).numpy()).min() > 200


@pytest.mark.parametrize("kind", ["if", "mel-if"])
def test_decoding_is_differentiable(kind: str) -> None:
    codec = codec_of(kind, **TINY)
    spectrograms = (codec.encode(made_notes(3000)) * 0.9).requires_grad_()
    codec.decode(spectrograms).square().sum().backward()
    assert spectrograms.grad is not None
    assert spectrograms.grad.isfinite().all()
    assert (spectrograms.grad.abs().amax(dim=(2, 3)) > 0).all()


def test_decodings_gradient_is_right() -> None:
    codec = codec_of("if", samples=40, n_fft=16, hop=4, centred=True)
    spectrograms = (torch.rand(1, *codec.shape, dtype=torch.float64) - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(codec.decode, spectrograms)


def test_encoding_silence_has_a_finite_gradient() -> None:
    waves = torch.zeros(2, 3000, requires_grad=True)
    codec_of("if", **TINY).encode(waves).sum().backward()
    assert waves.grad is not None
    assert waves.grad.isfinite().all()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(UserError, match="16000"):
        Codec().encode(torch.zeros(2, 15999))
    with pytest.raises(UserError, match="1024"):
        Codec().decode(torch.zeros(2, 2, 1025, 32))


def test_an_empty_batch_has_empty_spectrograms() -> None:
    assert Codec().encode(torch.zeros(0, 16000)).shape == (0, 2, 1024, 32)
    assert Codec().decode(torch.zeros(0, 2, 1024, 32)).shape == (0, 16000)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cuda_device_gives_the_same(kind: str) -> None:
    waves = made_notes(3000)
    codec = codec_of(kind, **TINY).fit([waves])
    spectrograms = codec.encode(waves.cuda())
    assert spectrograms.is_cuda
    torch.testing.assert_close(spectrograms.cpu()[:, 0], codec.encode(waves)[:, 0], atol=1e-3, rtol=0)
    decoded = codec.decode(codec.encode(waves).cuda()).cpu()
    torch.testing.assert_close(decoded, codec.decode(codec.encode(waves)), atol=1e-2, rtol=0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.endswith("if")])
def test_a_handed_inverter_gets_log_magnitudes_and_pitch_and_makes_the_sound(kind: str) -> None:
    handed = []

    def inverter(log_magnitude: torch.Tensor, pitch: torch.Tensor | None) -> torch.Tensor:
        handed.append((log_magnitude, pitch))
        return torch.full((len(log_magnitude), 3000), 0.25)

    config = codec_of(kind, **TINY).config
    waves = 0.1 * torch.randn(6, 3000, generator=torch.Generator().manual_seed(1))
    codec = Codec(config, inverter=inverter).fit([waves])
    assert codec.inverter is inverter
    pitch = torch.tensor([60.0, 61.5, float("nan"), 63.0, 64.0, 65.0])
    assert torch.equal(codec.decode(codec.encode(waves), pitch), torch.full((6, 3000), 0.25))
    assert torch.equal(torch.cat([part for _, part in handed]).nan_to_num(0), pitch.nan_to_num(0))
    given = torch.cat([part for part, _ in handed])
    assert given.shape == (6, codec.bins if not codec.mel else TINY["mel_bands"], codec.shape[2])
    torch.testing.assert_close(given, codec.log_magnitude(waves), atol=1e-4, rtol=0)  # whatever the fitted scaling
    handed.clear()
    codec.decode(codec.encode(waves))
    assert all(part is None for _, part in handed)
    assert codec.to_config() == Codec(codec.config).to_config()
    with pytest.raises(ValueError, match="one number a spectrogram"):
        codec.decode(codec.encode(waves), pitch[:2])


def test_an_inverter_is_refused_where_the_pictures_hold_their_phase() -> None:
    with pytest.raises(UserError, match="hold their phase"):
        Codec(codec_of("if", **TINY).config, inverter=lambda logs, pitch: logs)
