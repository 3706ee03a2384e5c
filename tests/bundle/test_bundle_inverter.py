"""Inverters on disk: read back the same, with a card; one of another codec is refused in a sentence."""

import math

import pytest
import torch

from darktimbre.bundle import where
from darktimbre.bundle.card import model_card
from darktimbre.bundle.inverter import InverterFolder, codec_difference, inversion_config
from darktimbre.measures.spectral import spectral_convergence
from darktimbre.models.inversion_folded import fold
from darktimbre.notes.errors import UserError
from darktimbre.representation import stft
from darktimbre.representation.codec import Codec
from darktimbre.representation.config import CodecConfig
from darktimbre.training.recipe import load_recipe

SMALL = {"sample_rate": 8000, "samples": 3000, "n_fft": 512, "hop": 64, "mel_bands": 40, "frames": 48, "floor": 1e-3}


def codec(**settings: object) -> CodecConfig:
    return CodecConfig(**{"kind": "mel-logmag", **SMALL, **settings})


def inverter() -> InverterFolder:
    return InverterFolder.untrained(inversion_config(codec(), width=16, blocks=1), seed=1)


@pytest.mark.parametrize("half", [False, True])
def test_an_inverter_reads_back_and_decodes_through_the_codec(tmp_path, half):
    again = InverterFolder.from_pretrained(inverter().save_pretrained(tmp_path / "one", half=half))
    waves = 0.1 * torch.randn(2, 3000, generator=torch.Generator().manual_seed(0))
    one, other = (Codec(codec(), inverter=folder.module) for folder in (inverter(), again))
    pitch = torch.tensor([60.0, math.nan])
    with torch.no_grad():
        sounds = [each.decode(each.encode(waves), pitch) for each in (one, other)]
    apart = (sounds[0] - sounds[1]).square().mean() / sounds[0].square().mean()
    assert apart < (1e-2 if half else 1e-12)  # a rounded magnitude may make another bin the peak
    logs = one.log_magnitude(waves)
    torch.testing.assert_close(fold(again.module, bf16=False)(logs, pitch), sounds[1], atol=1e-3, rtol=0)
    played = again.invert(logs, pitch)  # of bfloat16 products, where the processor has them: phases may differ
    assert (played.square().mean() / sounds[1].square().mean()).log10().abs() < 0.05  # half a decibel
    assert not half or again.digest != inverter().digest
    card = (tmp_path / "one/README.md").read_text()
    assert "40 mel bands" in card
    assert "--inversion learned" in card


def test_the_same_seed_gives_the_same_weights():
    assert inverter().digest == inverter().digest


def test_the_fitted_scaling_and_the_inversion_do_not_matter():
    fitted = codec(low=-5.0, high=3.0, inversion="phase-gradient", iterations=3, drop_dc=False)
    inverter().refuse_other_codec(fitted)
    assert codec_difference(inverter().network, fitted) is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"floor": 0.01}, "floor 0.001, not 0.01"),
        ({"mel_bands": 41}, "mel_bands 40, not 41"),
        ({"sample_rate": 16000}, "sample_rate 8000, not 16000"),
        ({"samples": 2000}, "samples 3000, not 2000"),
        ({"frames": None}, "frames 48, not 47"),
        ({"kind": "logmag"}, "kind mel-logmag, not logmag"),
    ],
)
def test_another_codec_is_refused_in_a_sentence_with_what_to_do(settings, named):
    with pytest.raises(UserError, match=rf"{named}.*darktimbre train inversion.*phase-gradient"):
        inverter().refuse_other_codec(codec(**settings))


def test_a_codec_with_phase_or_of_plain_bins_has_no_network():
    for kind in ("if", "logmag", "mel-if"):
        with pytest.raises(UserError, match="kind mel-logmag"):
            inversion_config(codec(kind=kind))


def test_what_is_no_inverter_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no inverter in .*darktimbre train inversion"):
        InverterFolder.from_pretrained(tmp_path)
    saved = inverter().save_pretrained(tmp_path / "one")
    torch_weights = inverter().weights | {"body.stem.weight": torch.zeros(2, 3)}
    with pytest.raises(UserError, match=r"body\.stem\.weight"):
        InverterFolder(inverter().config, torch_weights)
    (saved / where.CONFIG).write_text('{"format": 1, "kind": "classifier"}')
    with pytest.raises(UserError, match=r"not the configuration of an inverter, but of a classifier"):
        InverterFolder.from_pretrained(saved)
    monkeypatch.setattr(where, "has_shipped", lambda name: False)
    with pytest.raises(UserError, match="ships no inverter"):
        InverterFolder.from_pretrained("inverter")


def test_the_shipped_inverter_is_small_fits_the_recipes_and_sharpens_what_it_is_given():
    folder = where.shipped_folder("inverter")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 8e6
    shipped = InverterFolder.from_pretrained("inverter")
    assert (folder / where.CARD).read_text() == model_card("inverter", shipped.config, shipped.weights, shipped.tags)
    recipe = load_recipe("inversion")
    config = CodecConfig(**recipe.data.codec, samples=32000)
    shipped.refuse_other_codec(config)
    time = torch.arange(32000) / 16000
    partials = sum(torch.sin(2 * math.pi * 440 * number * time) / number for number in range(1, 12))
    wave = 0.3 * partials[None] * torch.exp(-2 * time)
    codec = Codec(config, inverter=shipped.folded)
    with torch.no_grad():
        given = codec.encode(wave)
        ways = {"learned": codec.decode(given, torch.tensor([69.0])), "Griffin-Lim × 60": Codec(config).decode(given)}
    spectra = {name: stft.forward(made, n_fft=2048, hop=256).abs().mT.numpy() for name, made in ways.items()}
    real = stft.forward(wave, n_fft=2048, hop=256).abs().mT.numpy()
    found = {name: 20 * math.log10(spectral_convergence(real, made)[0]) for name, made in spectra.items()}
    print(found)
    assert found["learned"] < -20
    assert found["learned"] < found["Griffin-Lim × 60"]
