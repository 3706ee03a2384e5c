"""The autoencoder's networks: sizes, linear conditions, partials where a pitch has them."""

import pytest
import torch

from darktimbre.models.autoencoder import (
    AutoencoderConfig,
    ConditionEmbedding,
    Decoder,
    Encoder,
    HarmonicPlaces,
    LatentDiscriminator,
    noise_texture,
    note_classes,
    partials_noise,
)
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.representation.mel import band_edges

SMALL = AutoencoderConfig(
    encoder_widths=(4, 4, 4, 8, 8), decoder_widths=(8, 8, 8, 4, 4), dense=(16, 16), partial_width=4, embedding=8,
    pitches=tuple(range(40, 80)), styles=3,
)  # fmt: skip


def condition(*pitches: int, styles=(1.0, 0.0, 0.0), config=SMALL):
    rows = torch.zeros(len(pitches), config.condition)
    for row, pitch in enumerate(pitches):
        rows[row, config.pitches.index(pitch)] = 1.0
        rows[row, len(config.pitches) :] = torch.tensor(styles)
    return rows


def test_shapes_and_sizes():
    encoder, decoder = Encoder(SMALL).eval(), Decoder(SMALL).eval()
    assert SMALL.condition == 43
    assert (SMALL.channels, *SMALL.picture_size()) == (1, 256, 128)
    latent = encoder(torch.randn(2, 1, 256, 128))
    assert latent.shape == (2, 3)
    assert decoder(latent, condition(40, 79)).shape == (2, 1, 256, 128)
    assert LatentDiscriminator(SMALL, 5)(latent).shape == (2, 5)


def test_without_condition_there_is_none_to_follow():
    config = SMALL.model_copy(update={"pitches": (), "styles": 0})
    decoder = Decoder(config).eval()
    assert config.condition == 0
    assert not config.pitch_comb
    assert decoder.partials is None
    assert decoder(torch.randn(2, 3), torch.zeros(2, 0)).shape == (2, 1, 256, 128)


def test_default_networks_take_four_and_a_half_megabytes_at_most():
    config = AutoencoderConfig(pitches=tuple(range(28, 100)), styles=12)
    with torch.device("meta"):
        networks = Encoder(config), Decoder(config)
    assert sum(parameter.numel() for network in networks for parameter in network.parameters()) * 2 < 4.5e6


def test_a_note_does_not_depend_on_the_others_of_its_batch():
    decoder, latent = Decoder(SMALL).eval(), torch.randn(3, 3)
    whole = decoder(latent, condition(45, 60, 71))
    alone = decoder(latent[1:2], condition(60))
    torch.testing.assert_close(whole[1:2], alone, atol=1e-5, rtol=1e-4)


def test_embedding_is_linear_and_zeros_are_no_style():
    embedding = ConditionEmbedding(SMALL)
    one, other, mixed = (embedding(condition(60, styles=s)) for s in ((1.0, 0, 0), (0, 1.0, 0), (1.5, 0.5, 0)))
    pitch = embedding(condition(60, styles=(0.0, 0, 0)))
    torch.testing.assert_close(mixed, 1.5 * (one - pitch) + 0.5 * (other - pitch) + pitch)
    assert (embedding(torch.zeros(1, SMALL.condition)) == 0).all()


def test_note_classes_are_semitone_and_octave():
    classes = note_classes((60, 61, 72, 0, 127))
    assert (classes.sum(dim=1) == 2).all()
    assert classes[0].nonzero().flatten().tolist() == [0, 12 + 4]  # C4
    assert classes[1].nonzero().flatten().tolist() == [1, 12 + 4]
    assert classes[2].nonzero().flatten().tolist() == [0, 12 + 5]
    assert classes[3, 12] == 1
    assert classes[4, 12 + 8] == 1


@pytest.mark.parametrize("pitch", [40, 57, 79])
def test_partials_lie_where_the_pitch_has_them(pitch):
    hats = HarmonicPlaces(SMALL)(condition(pitch)[:, :40]).unflatten(2, (7, 64))[0]  # (band, offset, harmonic)
    centres = band_edges(256, 0.0, 8000.0)[1:-1]
    for harmonic in (1, 2, 7):
        nearest = abs(centres - midi_to_hz(pitch) * harmonic).argmin()
        assert hats[:, 3, harmonic - 1].argmax() == nearest
    above = midi_to_hz(pitch) * torch.arange(1, 65) > 8300
    assert (hats[:, :, above] == 0).all()  # beyond Nyquist there is nothing


def test_a_partials_hats_sum_to_one_within_its_reach():
    hats = HarmonicPlaces(SMALL)(condition(60)[:, :40]).unflatten(2, (7, 64))[0]
    sums = hats.sum(dim=1)[:, 0]  # of the first partial, by band
    assert sums.max() <= 1 + 1e-5
    assert (sums > 1 - 1e-5).sum() >= 3


def test_soft_one_hot_is_the_pitch_between_and_none_is_no_pitch():
    places = HarmonicPlaces(SMALL)
    between = places((condition(57) + condition(69))[:, :40] / 2)
    torch.testing.assert_close(between, places(condition(63)[:, :40]), atol=1e-3, rtol=0)
    assert (places(torch.zeros(1, 40)) == 0).all()


def test_latent_and_condition_both_reach_the_spectrogram():
    decoder = Decoder(SMALL).eval()
    latent, given = torch.randn(1, 3, requires_grad=True), condition(60).requires_grad_()
    decoder(latent, given).square().sum().backward()
    assert (latent.grad != 0).all()
    assert (given.grad != 0).any()


def test_fixed_noise_is_that_of_a_spectrogram_and_bands_far_apart_waver_by_themselves():
    for noise, size in ((noise_texture(SMALL), (256, 128)), (partials_noise(SMALL), (64, 128))):
        assert noise.shape == size
        assert noise.mean(dim=1).abs().max() < 1e-5
        assert float(noise.std()) == pytest.approx(1, abs=0.01)
        assert float(noise.mean(dim=0).std()) < 0.2  # in common they have little
        following = (noise[:, 1:] * noise[:, :-1]).mean() / noise.square().mean()
        assert following > 0.7  # windows overlap
    assert torch.equal(noise_texture(SMALL), noise_texture(SMALL))


def test_noise_is_no_weight_and_the_same_in_every_note():
    decoder = Decoder(SMALL).eval()
    assert not any("noise" in name and "stages" not in name for name in decoder.state_dict())
    with torch.no_grad():
        for stage in decoder.partials.stages[-1:]:
            stage.noise.fill_(1.0)
    latent = torch.randn(1, 3)
    torch.testing.assert_close(decoder(latent, condition(60)), decoder(latent, condition(60)), rtol=0, atol=0)
