"""Bundles of autoencoders come back as written, with encoder, inverter and encoded notes; foreign parts are named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.bundle.tiny import LATENT, STYLES, edit, tiny_autoencoder, tiny_bundle, tiny_encoded, tiny_inverter

from darktimbre.bundle import where
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.encoded import MOST, EncodedNotes, evenly
from darktimbre.bundle.inverter import InverterFolder
from darktimbre.bundle.where import CONFIG, ENCODER, INVERTER, LATENT_NAMES, LATENTS
from darktimbre.models.autoencoder import Decoder, Encoder
from darktimbre.notes.errors import UserError

PARTS = {ENCODER, INVERTER, LATENTS, LATENT_NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_autoencoder(inverter=True, encoded=True).save_pretrained(tmp_path / "made" / "tiny")


def test_read_equals_written(folder: Path) -> None:
    written, read = tiny_autoencoder(inverter=True, encoded=True), Bundle.from_pretrained(folder)
    assert {file.name for file in folder.iterdir()} == PARTS | {CONFIG, "model.safetensors", "README.md"}
    assert read.config == {"format": 1, **written.config}
    assert (read.digest, read.sound_digest) == (written.digest, written.sound_digest)
    for part in ("weights", "encoder", "inverter"):
        for name, tensor in getattr(written, part).items():
            assert torch.equal(getattr(read, part)[name], tensor)
    _equal(read.encoded, written.encoded)
    assert isinstance(read.generator(), Decoder)
    assert isinstance(read.encoder_network(), Encoder)
    assert not read.encoder_network().training


def test_half_shortens_weights_and_leaves_the_points_as_they_are(tmp_path: Path) -> None:
    written = tiny_autoencoder(inverter=True, encoded=True)
    read = Bundle.from_pretrained(written.save_pretrained(tmp_path / "half", half=True))
    for part in (read.weights, read.encoder, read.inverter):
        assert {tensor.dtype for tensor in (part or {}).values() if tensor.is_floating_point()} == {torch.float16}
    assert {parameter.dtype for parameter in read.encoder_network().parameters()} == {torch.float32}
    _equal(read.encoded, written.encoded)


def test_without_its_parts_it_is_an_instrument_all_the_same(tmp_path: Path) -> None:
    bare = tiny_autoencoder(encoder=False).save_pretrained(tmp_path / "bare")
    assert not PARTS & {file.name for file in bare.iterdir()}
    read = Bundle.from_pretrained(bare)
    assert (read.encoder, read.inverter, read.encoded) == (None, None, None)
    with pytest.raises(UserError, match=r"has no encoder.*take one that `darktimbre train"):
        read.encoder_network()
    with pytest.raises(UserError, match="has no encoder"):
        tiny_bundle().encoder_network()


def test_latents_can_be_left_out(folder: Path) -> None:
    bundle = Bundle.from_pretrained(folder)
    bundle.without_latents().save_pretrained(folder)
    assert not {LATENTS, LATENT_NAMES} & {file.name for file in folder.iterdir()}
    assert Bundle.from_pretrained(folder).sound_digest == bundle.sound_digest


# ----------------------------------------------------------------------------
# Digests


def test_digests_follow_what_sounds_follow_from() -> None:
    plain, joined = tiny_autoencoder(), tiny_autoencoder(inverter=True)
    assert plain.sound_digest == plain.digest == joined.digest != joined.sound_digest
    moved = {name: tensor + 0.5 for name, tensor in (joined.inverter or {}).items()}
    assert replace(joined, inverter=moved).sound_digest != joined.sound_digest
    name = min(joined.weights)
    other = replace(joined, weights={**joined.weights, name: joined.weights[name] + 1})
    assert other.digest != joined.digest
    assert other.sound_digest != joined.sound_digest
    assert replace(joined, encoder=None, encoded=tiny_encoded()).sound_digest == joined.sound_digest


def test_the_digest_of_a_progressive_instrument_is_that_of_its_weights_alone() -> None:
    bundle = tiny_bundle()
    assert bundle.digest == bundle.sound_digest
    assert bundle.digest == "558fae9b6dc2560b3227fc3ba03894382fda385e9b80c656a820967e567bd1b5"


# ----------------------------------------------------------------------------
# Inversions


def test_inversions_are_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_autoencoder(inverter=True)
    assert bundle.inverted_by("learned") is bundle
    by_rule = bundle.inverted_by("griffin-lim")
    assert by_rule.inverter is None
    assert "inverter" not in by_rule.config
    assert by_rule.codec().config.inversion == "griffin-lim"
    assert by_rule.digest == bundle.digest

    path = tiny_inverter().save_pretrained(tmp_path / "inverter")
    again = by_rule.inverted_by(path)
    assert again.sound_digest == bundle.sound_digest
    assert again.config["inverter"]["digest"] == tiny_inverter().digest

    monkeypatch.setattr(where, "shipped_folder", lambda _name: path)
    assert by_rule.inverted_by("learned").sound_digest == bundle.sound_digest
    monkeypatch.setattr(where, "shipped_folder", lambda name: tmp_path / "none" / name)
    with pytest.raises(UserError, match="ships no inverter; train one with"):
        by_rule.inverted_by("learned")
    with pytest.raises(UserError, match=r"no inversion 'fastest'; choose one of griffin-lim, .*learned, or the folder"):
        by_rule.inverted_by("fastest")
    with pytest.raises(UserError, match="There is no inverter in"):
        by_rule.inverted_by(tmp_path)
    with pytest.raises(UserError, match="generates its phases itself"):
        tiny_bundle().inverted_by("learned")


def test_an_inverter_of_another_representation_is_refused_and_bounds_do_not_matter(tmp_path: Path) -> None:
    bundle = tiny_autoencoder()
    assert bundle.joined(tiny_inverter(low=-3.0, high=4.0)).inverter is not None
    for change, words in (({"floor": 1e-2}, "floor 0.01, not 0.001"), ({"sample_rate": 16000}, "sample_rate 16000")):
        other = tiny_inverter(**change)
        with pytest.raises(
            UserError, match=rf"other spectrograms \({words}.*: train one .* or choose another inversion"
        ):
            bundle.inverted_by(other.save_pretrained(tmp_path / "other"))


# ----------------------------------------------------------------------------
# Damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: edit(f, architecture="diffusion"), "architecture 'diffusion': update darktimbre"),
        (lambda f: (f / INVERTER).unlink(), f"{INVERTER} and `inverter` in {CONFIG} belong together"),
        (
            lambda f: edit(f, inverter={"network": {"width": "wide"}}),
            "`inverter` in config.json is not one this version",
        ),
        (lambda f: _spoil(f / INVERTER), f"{INVERTER} holds 1 tensors"),
        (lambda f: _spoil(f / ENCODER), f"{ENCODER} holds 1 tensors"),
        (lambda f: (f / ENCODER).write_bytes(b"\xff" * 64), "cannot be read as safetensors"),
        (lambda f: (f / LATENT_NAMES).write_text("[1]"), "do not belong together or are damaged.*delete both"),
        (lambda f: (f / LATENT_NAMES).unlink(), "do not belong together or are damaged"),
        (lambda f: (f / LATENT_NAMES).write_text("[" * 100_000), "do not belong together or are damaged"),
        (lambda f: _change(f / LATENTS, pitch=torch.zeros(12, 1, dtype=torch.int64)), "these are not the latents"),
        (lambda f: _change(f / LATENTS, latent=torch.full((12, LATENT), torch.nan)), "latent has values that are not"),
        (lambda f: (f / LATENTS).unlink(), f"{LATENTS} is missing"),
        (
            lambda f: edit(f, codec={**_config(f)["codec"], "floor": 0.5}),
            r"trained on other spectrograms \(floor 0\.001",
        ),
    ],
)
def test_damaged_and_foreign_parts_are_named(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    with pytest.raises(UserError, match=sentence):
        Bundle.from_pretrained(folder)


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    name, tensor = next(iter((tiny_autoencoder().encoder or {}).items()))
    _change(folder / ENCODER, **{name: torch.full_like(tensor, torch.nan)})
    with pytest.raises(UserError, match=f"{ENCODER}: {name} is not finite, so the file is damaged"):
        Bundle.from_pretrained(folder).encoder_network()


@pytest.mark.parametrize("level", [None, "loud", {}, {"peak_db": None}, {"peak_db": True}, {"peak_db": float("nan")}])
def test_notes_of_no_one_level_have_none(level: object) -> None:
    assert tiny_autoencoder(level=level).level_db is None


def test_parts_of_another_kind_of_instrument_are_refused(tmp_path: Path) -> None:
    folder = tiny_bundle().save_pretrained(tmp_path / "gan")
    safetensors.torch.save_file(tiny_autoencoder().encoder or {}, folder / ENCODER)
    with pytest.raises(UserError, match=f"{ENCODER}"):
        Bundle.from_pretrained(folder)
    with pytest.raises(UserError, match="of another instrument: delete both"):
        replace(tiny_bundle(), encoded=tiny_encoded())
    with pytest.raises(UserError, match="is no GAN, but an autoencoder"):
        _ = tiny_autoencoder().gan
    with pytest.raises(UserError, match="is no autoencoder"):
        _ = tiny_bundle().autoencoder


# ----------------------------------------------------------------------------
# Encoded notes and the card


def test_evenly_chosen_rows_keep_first_last_and_order_and_all_where_there_are_few() -> None:
    rows = evenly(MOST + 700)
    assert len(rows) == MOST
    assert (rows[0], rows[-1]) == (0, MOST + 699)
    assert (np.diff(rows) >= 1).all()
    assert evenly(3).tolist() == [0, 1, 2]


def test_the_nearest_note_is_the_one_at_the_least_distance() -> None:
    notes = tiny_encoded(40)
    for row in (0, 17, 39):
        assert notes.nearest(notes.latent[row] + 1e-4) == row
    place = np.array([0.2, -0.4, 1.0], np.float32)
    assert notes.nearest(place) == np.linalg.norm(notes.latent - place, axis=1).argmin()


def test_notes_of_unequal_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="these are not"):
        replace(tiny_encoded(), level_db=np.zeros(3, np.float32))


def test_the_card_says_what_it_is(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    inverter = Bundle.from_pretrained(folder).config["inverter"]["digest"]
    for part in (*STYLES, f"latent code of {LATENT} numbers", inverter[:12], "CC0", "log spectral distance | 7.5"):
        assert part in card
    assert "teacher" not in card.casefold()
    assert "wasserstein-autoencoder" in card
    bare = tiny_autoencoder(recipe={}, provenance={}, metrics={})
    written = bare.save_pretrained(folder.parent / "bare") / "README.md"
    assert "peak of -1 dB" in written.read_text(encoding="utf-8")
    for level in (None, {"peak_db": None}):
        tiny_autoencoder(level=level).save_pretrained(folder.parent / "bare")
        assert "loudness" not in written.read_text(encoding="utf-8")


# ----------------------------------------------------------------------------
# What the package ships


@pytest.mark.parametrize("name", [*where.INSTRUMENTS, where.SHIPPED_INVERTER])
def test_what_the_package_ships_is_small_and_whole(name: str) -> None:
    if not where.has_shipped(name):
        pytest.skip(f"this checkout ships no {name}")
    folder = where.shipped_folder(name)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 8_000_000
    if name == where.SHIPPED_INVERTER:
        assert InverterFolder.from_pretrained(name).build() is not None
        return
    bundle = Bundle.from_pretrained(name)
    assert bundle.generator() is not None
    if bundle.encoder is not None:
        assert bundle.encoder_network() is not None
        assert bundle.inverted_by("learned").inverter is not None


def _config(folder: Path) -> dict:
    return json.loads((folder / CONFIG).read_text())


def _spoil(file: Path) -> None:
    _change(file, other=torch.zeros(1))


def _change(file: Path, **tensors: torch.Tensor) -> None:
    safetensors.torch.save_file({**safetensors.torch.load_file(file), **tensors}, file)


def _equal(one: EncodedNotes | None, other: EncodedNotes | None) -> None:
    assert one is not None
    assert other is not None
    assert one.names == other.names
    for name in ("latent", "level_db", "pitch", "styles"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
