"""Sounds become latents and come back at their level; the inversion is handed the pitch; equal requests, equal bits."""

import numpy as np
import pytest
import torch
from tests.bundle.tiny import STYLES, tiny_autoencoder, tiny_bundle

from darktimbre.audio.loudness import peak_dbfs
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import walks
from darktimbre.synthesizer.controls import OutOfRangeWarning
from darktimbre.synthesizer.keys import render_sources
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def instrument() -> Synthesizer:
    return Synthesizer(tiny_autoencoder(inverter=True))


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((5, 4000)).astype(np.float32)
    return noise * np.float32([[0.5], [0.1], [0.02], [1e-3], [0.3]])


def test_an_encoding_is_the_encoders_own_of_the_sound_at_the_level_of_training(
    instrument: Synthesizer, sounds: np.ndarray
) -> None:
    found = instrument.encode(sounds)
    assert (found.latent.shape, found.level_db.shape) == ((5, 3), (5,))
    np.testing.assert_allclose(found.level_db, peak_dbfs(sounds), atol=1e-4)
    encoder = instrument.bundle.encoder_network()
    for row, sound in enumerate(sounds):
        levelled = torch.from_numpy(sound / np.abs(sound).max() * 10 ** (-1 / 20)).float()
        with torch.inference_mode():
            expected = encoder(instrument.codec.encode(levelled[None]))[0].numpy()
        np.testing.assert_allclose(found.latent[row], expected, atol=1e-5)


def test_loudness_changes_the_level_alone(instrument: Synthesizer, sounds: np.ndarray) -> None:
    loud, quiet = instrument.encode(sounds), instrument.encode(sounds * np.float32(0.25))
    np.testing.assert_allclose(quiet.latent, loud.latent, atol=1e-5)
    np.testing.assert_allclose(loud.level_db - quiet.level_db, 20 * np.log10(4), atol=1e-3)


def test_a_code_is_the_same_to_the_bit_alone_and_among_others(instrument: Synthesizer, sounds: np.ndarray) -> None:
    together = instrument.encode(sounds)
    for row, sound in enumerate(sounds):
        alone = instrument.encode(sound)
        np.testing.assert_array_equal(alone.latent[0], together.latent[row])
        assert alone.level_db[0] == together.level_db[row]


def test_notes_have_the_peak_that_is_set_or_that_of_training(instrument: Synthesizer) -> None:
    plain = instrument.render(pitch=[59, 60], seed=4)
    np.testing.assert_allclose(peak_dbfs(plain), -1.0, atol=1e-4)
    levelled = instrument.render(pitch=[59, 60], seed=4, level_db=[-7.0, 3.0])
    np.testing.assert_allclose(peak_dbfs(levelled), [-7, 3], atol=1e-4)
    raw = Synthesizer(tiny_autoencoder(inverter=True, level=None)).render(pitch=[59, 60], seed=4)
    for found in (plain, levelled):  # the network's own notes, times a gain
        np.testing.assert_allclose(found / np.abs(found).max(1)[:, None], raw / np.abs(raw).max(1)[:, None], atol=1e-6)


def test_a_sound_comes_back_at_its_own_peak(instrument: Synthesizer, sounds: np.ndarray) -> None:
    code = instrument.encode(sounds)
    again = instrument.render(60, latent=code.latent, level_db=code.level_db)
    np.testing.assert_allclose(peak_dbfs(again), peak_dbfs(sounds), atol=1e-3)


def test_a_silent_note_stays_silent(instrument: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = 5e-4 * torch.randn(1, instrument.samples, generator=torch.Generator().manual_seed(0)).clip(-1, 1)
    for wave in (torch.zeros(1, instrument.samples), noise):
        monkeypatch.setattr(instrument.codec, "decode", lambda *_, wave=wave: wave)
        assert not instrument.render(60, level_db=-6).any()


def test_levels_are_numbers_of_instruments_whose_notes_have_one(instrument: Synthesizer) -> None:
    patch = Patch.from_json({"seed": 4, "level_db": -7.0})
    np.testing.assert_array_equal(
        render_sources(instrument, patch, [59.0]), instrument.render(59, seed=[4], level_db=-7)
    )
    for level in (1e9, np.inf, np.nan):
        with pytest.raises(UserError, match=r"A level .* number"):
            instrument.render(level_db=level)
    with pytest.raises(UserError, match="one for each of the 2 notes, not 3"):
        instrument.render(pitch=[59, 60], level_db=[0, 0, 0])
    with pytest.raises(UserError, match="not of one level"):
        Synthesizer(tiny_bundle()).render(level_db=-3)
    for latent, sentence in ((np.full(3, np.nan), "must be finite numbers"), (np.zeros((1, 1, 3)), r"are \(1, 1, 3\)")):
        with pytest.raises(UserError, match=sentence):
            instrument.render(latent=latent)


def test_notes_of_no_one_level_are_encoded_as_they_are(sounds: np.ndarray) -> None:
    instrument = Synthesizer(tiny_autoencoder(level={"peak_db": None}))
    found, encoder = instrument.encode(sounds), instrument.bundle.encoder_network()
    with torch.inference_mode():
        expected = encoder(instrument.codec.encode(torch.from_numpy(sounds))).numpy()
    np.testing.assert_allclose(found.latent, expected, atol=1e-5)
    np.testing.assert_allclose(found.level_db, peak_dbfs(sounds), atol=1e-4)


# ----------------------------------------------------------------------------
# The learned inversion


def test_the_inverter_is_handed_log_magnitudes_and_each_notes_pitch(monkeypatch: pytest.MonkeyPatch) -> None:
    instrument = Synthesizer(tiny_autoencoder(inverter=True))
    given = []
    inverter = instrument.codec.inverter
    assert inverter is not None

    def watched(logs: torch.Tensor, pitch: torch.Tensor | None) -> torch.Tensor:
        given.append((logs, pitch))
        return inverter(logs, pitch)

    monkeypatch.setattr(instrument.codec, "inverter", watched)
    instrument.render(pitch=[59, 60.25, 61], seed=1)
    np.testing.assert_allclose([float(pitch) for _, pitch in given], [59, 60.25, 61], rtol=1e-6)
    assert all(tuple(logs.shape) == (1, 32, 64) for logs, _ in given)
    given.clear()
    instrument.waves(np.zeros((1, instrument.attributes.size)), np.zeros((1, 3)))
    assert bool(torch.isnan(given[0][1]).all())


def test_equal_requests_are_equal_to_the_bit(instrument: Synthesizer) -> None:
    pitches, level_db = [59, 60, 61, 60.5, 59, 60, 61], [-3.0, -9, -1, 0, -20, -5, -2]
    levels = {"tremolo": 1.0, "plucked": 0.3}
    together = instrument.render(pitches, levels, seed=list(range(7)), level_db=level_db)
    again = Synthesizer(tiny_autoencoder(inverter=True))
    np.testing.assert_array_equal(again.render(pitches, levels, seed=list(range(7)), level_db=level_db), together)
    for row, (pitch, level) in enumerate(zip(pitches, level_db, strict=True)):
        np.testing.assert_array_equal(again.render(pitch, levels, seed=row, level_db=level)[0], together[row])


def test_inversions_make_other_sound_of_the_same_spectrograms(instrument: Synthesizer) -> None:
    learned = instrument.render(60, seed=2)
    for name in ("phase-gradient", "griffin-lim", "single-pass"):
        other = Synthesizer(instrument.bundle.inverted_by(name))
        condition, latent = other.controls.fill(60, None, 2, None)
        fed = torch.from_numpy(latent), torch.from_numpy(condition)
        with torch.inference_mode():
            assert torch.equal(other.network(*fed), instrument.network(*fed))
        assert np.abs(other.render(60, seed=2) - learned).max() > 1e-4


# ----------------------------------------------------------------------------
# Styles


def test_styles_mix_and_what_is_not_given_is_untagged(instrument: Synthesizer) -> None:
    condition, _ = instrument.controls.fill(60, {"TREMOLO": 0.25, "plucked": 0.75}, 0, None)
    np.testing.assert_array_equal(condition[0], [0, 1, 0, 0.75, 0.25, 0])
    np.testing.assert_array_equal(instrument.render(60), instrument.render(60, dict.fromkeys(STYLES, 0.0)))
    with pytest.warns(OutOfRangeWarning, match=r"tremolo = 1\.5: outside 0 to 1.*styles mix linearly"):
        instrument.render(60, {"tremolo": 1.5})


# ----------------------------------------------------------------------------
# Refusals


def test_what_cannot_be_encoded_is_refused_in_a_sentence(instrument: Synthesizer, sounds: np.ndarray) -> None:
    with pytest.raises(UserError, match="4000 samples at 8000 Hz, not 4001: pad or cut"):
        instrument.encode(np.ones((1, 4001)))
    for silent in (np.zeros(4000), np.full(4000, 1e-6)):
        with pytest.raises(UserError, match="silent sound cannot be encoded: give one"):
            instrument.encode(np.stack([sounds[0], silent]))
    with pytest.raises(UserError, match="not finite"):
        instrument.encode(np.full(4000, np.nan))
    for without in (tiny_bundle(), tiny_autoencoder(encoder=False)):
        assert not Synthesizer(without).encodes
        with pytest.raises(UserError, match=r"has no encoder.*take one that"):
            Synthesizer(without).encode(np.ones(4000))


def test_neighbours_of_a_standard_normal_latent_are_standard_normal() -> None:
    rows = np.random.default_rng(0)
    drawn = np.stack(
        [walks.neighbours(rows.standard_normal(3), rows.standard_normal((1, 3)), 0.4)[0] for _ in range(20_000)]
    )
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.04)
    z, noise = np.float32([0.5, -2, 1]), rows.standard_normal((4, 3))
    np.testing.assert_array_equal(walks.neighbours(z, noise, 0.0), np.tile(z, (4, 1)))
    np.testing.assert_allclose(walks.neighbours(z, noise, 1.0), noise, rtol=1e-6)
