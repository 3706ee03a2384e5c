"""Same request, same sound: whatever the number of notes, threads, or the state of the process; folded equals plain."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import tiny_bundle

from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.controls import OutOfRangeWarning
from darktimbre.synthesizer.synthesizer import ATTACK, RELEASE, Synthesizer


@pytest.fixture(scope="module")
def instrument() -> Synthesizer:
    return Synthesizer(tiny_bundle())


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_shape_rate_and_length(instrument: Synthesizer, tmp_path: Path) -> None:
    loaded = Synthesizer.from_pretrained(tiny_bundle().save_pretrained(tmp_path / "it"))
    waves = loaded.render(pitch=[59, 60])
    assert waves.shape == (2, 2000)
    assert waves.dtype == np.float32
    assert (loaded.sample_rate, loaded.samples, loaded.seconds, loaded.latent_size) == (8000, 2000, 0.25, 8)
    np.testing.assert_array_equal(waves, instrument.render(pitch=[59, 60]))


def test_a_note_is_the_same_to_the_bit_whatever_the_batch(instrument: Synthesizer) -> None:
    pitches = [59, 60, 61, 60.5, 59.25, 60, 61]
    together = instrument.render(pitch=pitches, attributes={"Drum": 0.7}, seed=list(range(7)))
    for index, pitch in enumerate(pitches):
        alone = instrument.render(pitch=pitch, attributes={"Drum": 0.7}, seed=index)
        np.testing.assert_array_equal(alone[0], together[index])
    np.testing.assert_array_equal(
        instrument.render(pitch=pitches, attributes={"Drum": 0.7}, seed=list(range(7)), batch_size=2), together
    )


@pytest.mark.usefixtures("threads")
def test_a_note_is_the_same_whatever_the_number_of_threads(instrument: Synthesizer) -> None:
    torch.set_num_threads(1)
    one = instrument.render(pitch=[59, 60, 61], seed=5)
    torch.set_num_threads(2)
    np.testing.assert_array_equal(instrument.render(pitch=[59, 60, 61], seed=5), one)


def test_the_process_state_neither_matters_nor_moves(instrument: Synthesizer) -> None:
    first = instrument.render(seed=2)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(instrument.render(seed=2), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_folded_equals_plain(instrument: Synthesizer) -> None:
    condition, latent = instrument.controls.fill([59, 60.5, 61], {"Trumpet": 0.4}, 3, None)
    tensors = torch.from_numpy(latent), torch.from_numpy(condition)
    with torch.inference_mode():
        torch.testing.assert_close(
            instrument.network(*tensors), instrument.bundle.generator()(*tensors), rtol=1e-4, atol=1e-4
        )


def test_float16_weights_play_in_float32(tmp_path: Path, instrument: Synthesizer) -> None:
    half = Synthesizer.from_pretrained(tiny_bundle().save_pretrained(tmp_path / "half", half=True))
    assert {tensor.dtype for tensor in half.network.state_dict().values()} == {torch.float32}
    condition, latent = instrument.controls.fill(60, None, 0, None)
    with torch.inference_mode():
        pictures = [one.network(torch.from_numpy(latent), torch.from_numpy(condition)) for one in (half, instrument)]
    torch.testing.assert_close(*pictures, rtol=0.02, atol=0.02)


def test_every_control_changes_the_sound(instrument: Synthesizer) -> None:
    base = instrument.render(pitch=60, attributes={"Drum": 0.5}, seed=1)
    for other in (
        instrument.render(pitch=61, attributes={"Drum": 0.5}, seed=1),
        instrument.render(pitch=60, attributes={"Drum": 0.6}, seed=1),
        instrument.render(pitch=60, attributes={"Drum": 0.5}, seed=2),
        instrument.render(pitch=60, attributes={"Drum": 0.5}, latent=np.zeros(8)),
    ):
        assert np.abs(other - base).max() > 1e-4


def test_latents_given_are_latents_drawn(instrument: Synthesizer) -> None:
    np.testing.assert_array_equal(
        instrument.render(pitch=[59, 60], latent=instrument.latents(8, 2)), instrument.render(pitch=[59, 60], seed=8)
    )


def test_whole_conditions_give_the_same_notes(instrument: Synthesizer) -> None:
    condition, latent = instrument.controls.fill([59, 61], {"Drum": 0.2}, 6, None)
    np.testing.assert_array_equal(instrument.waves(condition, latent), instrument.render([59, 61], {"Drum": 0.2}, 6))
    with pytest.raises(UserError, match=r"Conditions must be \(note, 6\)"):
        instrument.waves(condition[:, 1:], latent)


def test_the_baseline_of_the_bundle_is_what_is_not_given() -> None:
    with_baseline = Synthesizer(tiny_bundle(baseline=[0.2, 0.4, 0.6]))
    np.testing.assert_array_equal(
        with_baseline.render(attributes={"Trumpet": 1.0}),
        with_baseline.render(attributes={"Singing bowl": 0.2, "Trumpet": 1.0, "Drum": 0.6}),
    )
    with pytest.raises(UserError, match="2 values for 3 attributes"):
        Synthesizer(tiny_bundle(baseline=[0.2, 0.4]))


def test_the_warning_points_at_the_caller(instrument: Synthesizer) -> None:
    with pytest.warns(OutOfRangeWarning) as caught:
        instrument.render(attributes={"Drum": 2.0})
    assert caught[0].filename == __file__


def test_an_instrument_without_pitch_and_one_without_comb() -> None:
    assert Synthesizer(tiny_bundle(pitched=False)).render(attributes={"Drum": 1.0}).shape == (1, 2000)
    with pytest.raises(UserError, match="only the pitches it was trained on"):
        Synthesizer(tiny_bundle(pitch_comb=False)).render(pitch=60.5)


def test_parts_that_do_not_fit_and_devices_that_are_not_there() -> None:
    bundle = tiny_bundle()
    bundle.config["codec"]["frames"] = 17
    with pytest.raises(UserError, match="the network generates"):
        Synthesizer(bundle)
    with pytest.raises(UserError, match="cannot be used here"):
        Synthesizer(tiny_bundle(), device="moon")


def test_no_notes_are_no_sound_and_the_speed_is_a_positive_number(instrument: Synthesizer) -> None:
    assert instrument.render(pitch=[]).shape == (0, 2000)
    assert 0 < instrument.real_time_factor(repeats=2) < 100


def test_a_note_starts_and_ends_at_zero_and_is_else_what_the_codec_decodes() -> None:
    instrument = Synthesizer(tiny_bundle())
    condition = instrument.attributes.condition([0], np.full((1, len(instrument.attributes.names)), 0.3, np.float32))
    latent = instrument.latents(0, 1)
    with torch.inference_mode():
        picture = instrument.network(torch.from_numpy(latent), torch.from_numpy(condition))
        decoded = instrument.codec.decode(picture).numpy()[0]
    wave = instrument.waves(condition, latent)[0]
    attack, release = round(ATTACK * instrument.sample_rate), round(RELEASE * instrument.sample_rate)
    assert wave[0] == 0.0
    assert wave[-1] == 0.0
    assert np.abs(decoded[[0, -1]]).min() > 0.0
    np.testing.assert_array_equal(wave[attack:-release], decoded[attack:-release])
