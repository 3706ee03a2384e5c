"""Decoding generated spectrograms: bins of one partial that turn together keep its level; real ones hardly change."""

import math

import pytest
import torch

from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec, codec_from_config
from darktimbre.representation.config import CodecConfig


def codec(coherence: int) -> Codec:
    return Codec(CodecConfig(kind="if", centred=True, coherence=coherence, sample_rate=16000, samples=8192))


def tone(*partials: float) -> torch.Tensor:
    time = torch.arange(8192) / 16000
    return sum((0.2 * torch.sin(2 * math.pi * hz * time + hz) for hz in partials), torch.zeros(8192))[None]


def middle_level(waves: torch.Tensor) -> float:
    """dB of the steady middle, far from the ends' broken windows."""
    return float(10 * torch.log10(waves[:, 2048:-2048].square().mean()))


@pytest.mark.parametrize("reach", [1, 2])
def test_a_steady_tone_survives(reach: int) -> None:
    waves = tone(220.3, 450.0, 913.7)
    kept = codec(reach).decode(codec(0).encode(waves))
    assert middle_level(kept) == pytest.approx(middle_level(waves), abs=0.2)


def test_a_partial_generated_out_of_tune_across_its_bins_keeps_more_of_its_level() -> None:
    waves = tone(220.3, 450.0, 913.7, 1500.0)
    spectrogram = codec(0).encode(waves)
    spectrogram[:, 1] += 0.15 * torch.randn(spectrogram[:, 1].shape, generator=torch.Generator().manual_seed(0))
    loss = [middle_level(waves) - middle_level(codec(reach).decode(spectrogram)) for reach in (0, 1)]
    print(f"level lost: {loss[0]:.2f} dB plain, {loss[1]:.2f} dB coherent")
    assert loss[0] > 0.8
    assert loss[1] < 0.6 * loss[0]


def test_each_note_of_a_batch_is_decoded_alone() -> None:
    spectrograms = torch.rand(5, *codec(1).shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(codec(1).decode(spectrograms)[3:4], codec(1).decode(spectrograms[3:4]))


def test_coherence_needs_the_centred_convention() -> None:
    with pytest.raises(UserError, match="coherence"):
        codec_from_config({"kind": "if", "coherence": 1})
