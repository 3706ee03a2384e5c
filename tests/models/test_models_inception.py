"""The note classifier's network: its axis resolves semitones; loudness and other notes change no prediction."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from darktimbre.models.inception import Block, Inception, InceptionConfig, filter_bank

CONFIG = InceptionConfig(pitches=26, families=5, attributes=3)
SMALL = InceptionConfig(sample_rate=8000, pitches=4, families=3, attributes=2, stem=4, widths=(16, 16), embedding=12)


def network(config: InceptionConfig, *, train: bool = False) -> Inception:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return Inception(config).train(train)


def tone(midi: float, *, rate: int = 16_000, samples: int = 16_000, partials: int = 1) -> torch.Tensor:
    """(sample,) of equally loud partials."""
    time = torch.arange(samples, dtype=torch.float64) / rate
    hertz = 440 * 2 ** ((midi - 69) / 12)
    return 0.1 * sum(torch.sin(2 * torch.pi * hertz * k * time) for k in range(1, partials + 1)).float()


# ----------------------------------------------------------------------------
# Front end


def test_each_semitone_has_its_place():
    """From MIDI 44 (104 Hz) up, the loudest band of a pure tone is its own, in the middle of the note."""
    front = network(CONFIG).front
    midi = range(44, 109)
    picture = front(torch.stack([tone(number) for number in midi]))
    lowest = 69 + 12 * np.log2(CONFIG.lowest / 440)
    expected = [round(CONFIG.semitone * (number - lowest)) for number in midi]
    assert picture[:, 0, :, 16].argmax(1).tolist() == expected


def test_transposing_is_moving_along_the_axis():
    """The same partials a fifth higher are the same picture 7 semitones further up, to a few dB of the 80."""
    front = network(CONFIG).front
    low, high = front(torch.stack([tone(52, partials=6), tone(59, partials=6)]))[:, 0, :, 16]
    step = 7 * CONFIG.semitone
    loud = low[:-step] > 1 - 10 / CONFIG.floor
    assert int(loud.sum()) >= 6
    assert (high[step:] - low[:-step])[loud].abs().max() * CONFIG.floor < 4


def test_bank_keeps_power_where_bins_are_narrow():
    """Above, where a band spans several bins, the triangles of neighbouring bands add to one over every bin."""
    bank = filter_bank(sample_rate=16_000, n_fft=4096, lowest=55.0, per_octave=24, bands=168)
    hertz = np.arange(2049) * 16_000 / 4096
    inside = (hertz > 300) & (hertz < 55 * 2 ** (166 / 24))
    assert np.abs(bank[inside].sum(1) - 1).max() < 1e-5
    assert not bank[0].any()
    assert (bank.max(0) > 0.4).all()  # every band responds


def test_picture_against_plain_numpy():
    """Framing, window, bank and decibels in float64."""
    config = InceptionConfig(sample_rate=8000, windows=(256,), hop=100)
    wave = 0.1 * torch.randn(1, 900, generator=torch.Generator().manual_seed(0))
    padded = np.pad(wave[0].numpy().astype(np.float64), 128)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    frames = np.stack([padded[first : first + 256] * window for first in range(0, 901, 100)])
    bank = filter_bank(sample_rate=8000, n_fft=256, lowest=55.0, per_octave=24, bands=config.bands)
    power = (np.abs(np.fft.rfft(frames)) ** 2 @ bank.astype(np.float64)).T
    expected = np.maximum(0, 1 + 10 * np.log10(power / power.max()) / config.floor)
    assert np.abs(network(config).front(wave)[0, 0].numpy() - expected).max() < 1e-5


def test_loudness_is_no_matter_and_silence_is_nothing():
    front = network(CONFIG).front
    wave = torch.stack([tone(60, partials=4), tone(60, partials=4) * 1e-4, torch.zeros(16_000)])
    picture = front(wave)
    torch.testing.assert_close(picture[0], picture[1], atol=1e-4, rtol=0)
    assert (picture.min(), picture.max()) == (0, 1)
    assert not picture[2].any()


# ----------------------------------------------------------------------------
# Network


def test_each_note_is_classified_for_itself():
    """One note alone is classified as among others; the heads are linear maps of the embedding."""
    net = network(SMALL)
    waves = torch.randn(5, 3000, generator=torch.Generator().manual_seed(1))
    together = net(waves)
    for index in range(5):
        for whole, alone in zip(together, net(waves[index : index + 1]), strict=True):
            torch.testing.assert_close(whole[index : index + 1], alone, atol=1e-5, rtol=1e-5)
    assert [tuple(part.shape) for part in together] == [(5, 4), (5, 3), (5, 12), (5, 2)]
    torch.testing.assert_close(net.answer(2 * together.embedding).pitch + net.pitch.bias * 1, 2 * together.pitch)


def test_gradients_reach_the_sound():
    waves = tone(60)[None].requires_grad_()
    silence = torch.zeros(1, 16_000, requires_grad=True)
    classifier = network(InceptionConfig(pitches=2))
    for sound in (waves, silence):
        classifier(sound).pitch.square().sum().backward()
        assert bool(sound.grad.isfinite().all())
    assert bool(waves.grad.abs().any())


@pytest.mark.parametrize("samples", [1, 248, 4000, 20_000])
def test_any_length_is_accepted(samples):
    predicted = network(SMALL)(0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(2)))
    assert predicted.embedding.shape == (2, 12)
    assert all(bool(torch.isfinite(part).all()) for part in predicted)


def test_what_has_no_classes_has_no_predictions():
    predicted = network(SMALL.model_copy(update={"families": 0, "attributes": 0}))(torch.zeros(2, 500))
    assert (predicted.family.shape, predicted.attributes.shape) == ((2, 0), (2, 0))


def test_a_block_holds_four_ways_side_by_side():
    block = Block(10, 32).eval()
    maps = torch.randn(1, 10, 9, 8, generator=torch.Generator().manual_seed(3))
    ways = [block.point(maps), block.square(maps), block.cross(maps), block.pool(maps)]
    assert [way.shape[1] for way in ways] == [8, 12, 8, 4]
    torch.testing.assert_close(block(maps), torch.cat(ways, 1))


def test_cost_is_modest():
    """Under 60 million multiplications a note, the front end's bank included."""
    macs = [sum((window // 2 + 1) * CONFIG.bands * 32 for window in CONFIG.windows)]

    def count(module: torch.nn.Module, _: object, result: torch.Tensor) -> None:
        macs.append(module.weight.numel() * (result[0, 0].numel() if result.dim() == 4 else 1))

    counted = network(CONFIG)
    for module in counted.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    counted(torch.zeros(1, 16_000))
    assert 5e6 < sum(macs) < 60e6


def test_the_front_end_is_computed_not_stored():
    assert not [name for name in network(SMALL).state_dict() if name.startswith("front")]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"per_octave": 18}, "multiple of 12"),
        ({"widths": (20,)}, "multiples of 16"),
        ({"sample_rate": 100}, "not an octave"),
        ({"width": 3}, "Extra inputs"),
    ],
)
def test_impossible_sizes_are_reported(change, sentence):
    with pytest.raises(ValidationError, match=sentence):
        InceptionConfig(**change)
