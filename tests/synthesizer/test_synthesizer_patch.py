"""A patch survives its JSON form, is refused in a sentence, and its pad turns the latent by what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.controls import OutOfRangeWarning, latents
from darktimbre.synthesizer.keys import render_sources
from darktimbre.synthesizer.patch import Envelope, Patch
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.walks import pad_point

DIGEST = "ab" * 32
WHOLE = Patch(
    bundle=DIGEST,
    name="Glass – très doux",
    attributes={"Singing bowl": 0.8, "Drum": -1.5},
    seed=2**53 - 1,
    pad=(-0.25, 1.0),
    envelope=Envelope(attack=0.01, decay=0.2, sustain=0.5, release=1.5),
)


def test_a_patch_comes_back_from_its_json(tmp_path: Path) -> None:
    text = json.dumps(WHOLE.to_json())
    assert Patch.from_json(json.loads(text)) == WHOLE
    assert {"darktimbre": "patch", "version": 1, "bundle": DIGEST}.items() <= WHOLE.to_json().items()
    (tmp_path / "a.json").write_text(text)
    assert Patch.read(tmp_path / "a.json") == WHOLE
    assert Patch.from_json({}) == Patch()
    assert Patch.from_json({"attributes": {"Drum": 1}, "pad": [0, 1]}) == Patch(attributes={"Drum": 1.0}, pad=(0, 1))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "no patch that can be played"),
        (None, "no patch"),
        ({"version": 2}, "version 2.*update darktimbre"),
        ({"darktimbre": "bundle"}, "darktimbre: "),
        ({"volume": 1}, "volume: "),
        ({"attributes": {"Drum": 3.01}}, r"attributes\.Drum: "),
        ({"attributes": {"Drum": -2.5}}, r"attributes\.Drum: "),
        ({"attributes": {"Drum": float("nan")}}, r"attributes\.Drum: "),
        ({"attributes": {"Drum": "1"}}, r"attributes\.Drum: "),
        ({"attributes": {"Drum": True}}, r"attributes\.Drum: "),
        ({"attributes": {"Drum": 1, " drum": 2}}, "named twice"),
        ({"attributes": {f"a{i}": 0.0 for i in range(601)}}, "attributes: "),
        ({"attributes": {"a" * 201: 0.0}}, "attributes"),
        ({"seed": -1}, "seed: "),
        ({"seed": 2**53}, "seed: "),
        ({"seed": 1.5}, "seed: "),
        ({"seed": True}, "seed: "),
        ({"pad": [0.0, 1.1]}, r"pad\.1: "),
        ({"pad": [0.0]}, "pad"),
        ({"latent": []}, "latent: "),
        ({"latent": [0.0] * 4097}, "latent: "),
        ({"latent": [0.0, 100.5]}, r"latent\.1: "),
        ({"latent": [float("nan")]}, r"latent\.0: "),
        ({"level_db": -121}, "level_db: "),
        ({"level_db": "loud"}, "level_db: "),
        ({"name": "x" * 81}, "name: "),
        ({"name": "a\nb"}, "name: .*printable"),
        ({"bundle": "../../etc"}, "bundle: "),
        ({"envelope": {"attack": float("inf")}}, r"envelope\.attack: "),
        ({"envelope": {"sustain": 1.1}}, r"envelope\.sustain: "),
        ({"envelope": {"hold": 1}}, r"envelope\.hold: "),
    ],
)
def test_what_is_no_patch_is_refused_in_one_sentence(data: object, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        Patch.from_json(data)
    assert str(refused.value).count("\n") == 0


def test_a_latent_and_a_level_come_back_and_are_left_out_where_they_are_not_set() -> None:
    sound = Patch(latent=(0.5, -1.25, 3.0), level_db=-17.5)
    assert Patch.from_json(json.loads(json.dumps(sound.to_json()))) == sound
    assert not {"latent", "level_db"} & set(Patch(seed=3).to_json())


def test_files_that_are_no_patches_are_refused_by_name(tmp_path: Path) -> None:
    for name, content in {"not.json": b"{", "deep.json": b"[" * 100_000, "bytes.json": b"\xff\xfe\x00"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            Patch.read(tmp_path / name)
    (tmp_path / "huge.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(UserError, match="larger than a patch"):
        Patch.read(tmp_path / "huge.json")
    (tmp_path / "later.json").write_text('{"version": 7}')
    with pytest.raises(UserError, match=r"later\.json.*update darktimbre"):
        Patch.read(tmp_path / "later.json")
    with pytest.raises(UserError, match="cannot be read"):
        Patch.read(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot be read"):
        Patch.read(tmp_path)


def test_the_key_separates_sounds_and_nothing_else() -> None:
    patch = Patch(attributes={"Drum": 0.1, "Trumpet": 0.5}, seed=3, pad=(0.0, 0.5))
    same = [
        patch.model_copy(update={"name": "other", "bundle": DIGEST, "envelope": Envelope(release=3.0)}),
        patch.model_copy(update={"attributes": {" trumpet": 0.5, "DRUM": 0.1}}),
        patch.model_copy(update={"attributes": {"Trumpet": 0.5, "Drum": float(np.float32(0.1))}}),
        patch.model_copy(update={"pad": (-0.0, 0.5)}),
    ]
    other = [
        patch.model_copy(update={"attributes": {"Drum": 0.1001, "Trumpet": 0.5}}),
        patch.model_copy(update={"attributes": {"Drum": 0.5, "Trumpet": 0.1}}),
        patch.model_copy(update={"attributes": {"Drum": 0.1}}),
        patch.model_copy(update={"seed": 4}),
        patch.model_copy(update={"pad": (0.5, 0.0)}),
        patch.model_copy(update={"latent": (0.0, 0.5)}),
        patch.model_copy(update={"latent": (0.0, 0.5, 0.0)}),
        patch.model_copy(update={"level_db": -6.0}),
        patch.model_copy(update={"level_db": -7.0}),
    ]
    given = Patch(latent=(0.1, -0.0))
    assert given.model_copy(update={"seed": 5, "pad": (1.0, 1.0)}).key(DIGEST) == given.key(DIGEST)
    assert Patch(latent=(float(np.float32(0.1)), 0.0)).key(DIGEST) == given.key(DIGEST)
    assert {one.key(DIGEST) for one in same} == {patch.key(DIGEST)}
    keys = {one.key(DIGEST) for one in other} | {patch.key(DIGEST), patch.key("cd" * 32)}
    assert len(keys) == len(other) + 2


def test_levels_take_the_instruments_own_names() -> None:
    attributes = Attributes(names=("Singing bowl", "Drum"))
    assert Patch(attributes={"singing BOWL": 0.5}).levels(attributes) == {"Singing bowl": 0.5}
    with pytest.raises(UserError, match="Did you mean 'Drum'"):
        Patch(attributes={"drums": 0.5}).levels(attributes)


def test_the_condition_is_that_of_render_without_its_warning(tiny: Synthesizer) -> None:
    patch = Patch(attributes={"drum": 1.5}, seed=5, pad=(0.3, -0.2))  # a warning would be an error here
    with pytest.warns(OutOfRangeWarning):
        condition, latent = tiny.controls.fill(60.0, {"Drum": 1.5}, 0, patch.latent_on(tiny))
    np.testing.assert_array_equal(patch.condition(tiny, 60.0), condition[0])
    np.testing.assert_array_equal(patch.latent_on(tiny), latent[0])
    drums = Synthesizer(tiny_bundle(pitched=False))
    np.testing.assert_array_equal(Patch(attributes={"Drum": 0.5}).condition(drums, None), np.float32([0, 0, 0.5]))


def test_the_centre_of_the_pad_is_the_latent_of_the_seed(tiny: Synthesizer) -> None:
    for seed in (0, 7, 2**53 - 1):
        latent = Patch(seed=seed).latent_on(tiny)
        np.testing.assert_array_equal(latent, tiny.latents([seed])[0])
        assert not np.array_equal(latent, Patch(seed=seed, pad=(0.5, 0.0)).latent_on(tiny))


def test_a_latent_given_stands_in_place_of_seed_and_pad(tiny: Synthesizer) -> None:
    given = tuple(float(value) for value in np.linspace(-1, 1, tiny.latent_size))
    np.testing.assert_array_equal(Patch(seed=3, pad=(1, 1), latent=given).latent_on(tiny), np.float32(given))
    with pytest.raises(UserError, match=f"has 3 values, this instrument's have {tiny.latent_size}"):
        Patch(latent=(0.0, 1.0, 2.0)).latent_on(tiny)


def test_a_level_is_a_gain_from_the_level_of_the_instruments_notes(tiny: Synthesizer) -> None:
    even = Synthesizer(tiny_bundle(level={"peak_db": -1.0}))
    plain, quieter = Patch(), Patch(level_db=-21.0)
    np.testing.assert_allclose(
        render_sources(even, quieter, [59.0, 61.0]), 0.1 * render_sources(even, plain, [59.0, 61.0]), rtol=1e-6
    )
    with pytest.raises(UserError, match="not of one level"):
        render_sources(tiny, quieter, [60.0])


@pytest.mark.parametrize("size", [3, 64, 512])
def test_the_pad_keeps_lengths_and_turns_by_a_quarter_at_radius_one(size: int) -> None:
    centre, first, second = latents(11, 3, size).astype(np.float64)
    length = np.linalg.norm(centre)

    def at(x: float, y: float) -> np.ndarray:
        return pad_point(centre, first, second, (x, y)).astype(np.float64)

    places = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    for x, y in places:
        point = at(x, y)
        assert np.linalg.norm(point) == pytest.approx(length, rel=1e-6)
        cosine = point @ centre / length**2
        assert cosine == pytest.approx(np.cos(np.pi / 2 * np.hypot(x, y)), abs=1e-6)
    right, up = at(1, 0), at(0, 1)
    for one, other in ((centre, right), (centre, up), (right, up)):
        assert abs(one @ other) < 1e-5 * length**2
    np.testing.assert_allclose(at(-1, 0), -right, atol=1e-5)
    np.testing.assert_allclose(at(0.6, 0.8), 0.6 * right + 0.8 * up, atol=1e-5)  # the rim is their circle


def test_a_small_move_on_the_pad_is_a_small_turn() -> None:
    centre, first, second = latents(2, 3, 64)
    length = np.linalg.norm(centre)
    for x, y in np.random.default_rng(1).uniform(-0.99, 0.99, (50, 2)):
        here, there = (pad_point(centre, first, second, (x + step, y)) for step in (0.0, 1e-3))
        assert np.linalg.norm(there - here) <= 1.01 * np.pi / 2 * 1e-3 * length + 1e-5
    nearly = pad_point(centre, first, second, (1e-9, -1e-9))
    np.testing.assert_allclose(nearly, centre, atol=1e-6)


def test_latents_too_short_for_a_disc_stay_where_they_are() -> None:
    np.testing.assert_array_equal(pad_point([3, 4], [1, 0], [0, 1], (0.5, 0.5)), [3, 4])
    np.testing.assert_array_equal(pad_point(np.zeros(4), np.ones(4), np.ones(4), (0.5, 0.5)), np.zeros(4))
