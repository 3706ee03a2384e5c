"""What moves the sound: instruments that depend on their latent only, to their attributes only, or to both."""

from dataclasses import dataclass

import numpy as np
import pytest

from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.variation import variation
from darktimbre.notes.attributes import Attributes
from darktimbre.synthesizer.controls import latents

PITCHES, NAMES, LATENT = (60, 61, 62), ("Bell", "Horn"), 4


@dataclass
class Targets:
    """Stands for `Conditions`."""

    rows: np.ndarray
    condition: np.ndarray


@dataclass
class Toy:
    names: tuple[str, ...] = NAMES
    pitches: tuple[int, ...] = PITCHES

    @property
    def attributes(self) -> Attributes:
        return Attributes(pitches=self.pitches, names=self.names)

    def latents(self, seed: int, count: int) -> np.ndarray:
        return latents(seed, count, LATENT)


def target_notes(toy: Toy, count: int = 60) -> Targets:
    soft = np.random.default_rng(0).random((count, len(toy.names)))
    classes = np.arange(count) % max(1, len(toy.pitches))
    return Targets(np.arange(count), toy.attributes.condition(classes, soft))


@pytest.fixture
def real() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((60, 5)).astype(np.float32)


def embedding(of_latent: float, of_attributes: float, of_both: float = 0.0, of_pitch: float = 3.0):
    def embed(condition: np.ndarray, latent: np.ndarray) -> np.ndarray:
        soft = condition[:, len(PITCHES) :]
        product = of_both * (latent[:, :2] * (soft - 0.5))
        pitch = of_pitch * condition[:, : len(PITCHES)]
        return np.concatenate([of_latent * latent, of_attributes * soft, product, pitch], axis=1)

    return embed


def test_what_the_sound_depends_on_takes_the_whole_variance_at_equal_pitch(real: np.ndarray) -> None:
    toy = Toy()
    target = target_notes(toy)
    by_latent = variation(toy, target, real, embedding(1, 0), Profile(latents=6, conditions=5, pitches=2))
    assert (by_latent.latent, by_latent.attributes, by_latent.both) == pytest.approx((1, 0, 0), abs=1e-9)
    assert (by_latent.latents, by_latent.conditions, by_latent.pitches) == (6, 5, 2)
    by_attributes = variation(toy, target, real, embedding(0, 1), Profile(latents=6, conditions=5))
    assert (by_attributes.latent, by_attributes.attributes) == pytest.approx((0, 1), abs=1e-9)
    assert by_attributes.diversity == 0.0
    both = variation(toy, target, real, embedding(1, 1, 1), Profile(latents=6, conditions=5))
    assert both.latent + both.attributes + both.both == pytest.approx(1)
    assert min(both.latent, both.attributes, both.both) > 0


def test_shares_are_those_of_the_sums_of_squares(real: np.ndarray) -> None:
    """Additive parts: the shares are the plain variances over the latents and over the conditions taken."""
    toy = Toy(pitches=())
    target = Targets(np.arange(20), target_notes(toy, 20).condition)

    def embed(condition: np.ndarray, latent: np.ndarray) -> np.ndarray:
        return np.concatenate([latent, 4 * condition], axis=1)

    found = variation(toy, target, real[:20], embed, Profile(latents=30, conditions=20))
    moved = toy.latents(0, 30).var(axis=0).sum()
    conditioned = (4 * target.condition).var(axis=0).sum()
    assert found.latent == pytest.approx(moved / (moved + conditioned), rel=1e-4)
    assert (found.conditions, found.pitches) == (20, 1)


def test_distances_are_in_units_of_the_real_notes_deviation(real: np.ndarray) -> None:
    toy = Toy()
    target = target_notes(toy)
    found = variation(toy, target, real, embedding(1, 1), Profile(latents=40, conditions=3))
    scale = np.sqrt(real.astype(float).var(axis=0).sum())
    drawn = toy.latents(0, 40).astype(float)
    pairs = [np.linalg.norm(drawn[i] - drawn[j]) for i in range(40) for j in range(i)]
    assert found.diversity == pytest.approx(np.mean(pairs) / scale, rel=1e-5)
    apart = []
    for pitch in range(3):
        mine = real[pitch::3].astype(float)
        apart.append(np.mean([np.linalg.norm(mine[i] - mine[j]) for i in range(len(mine)) for j in range(i)]))
    assert found.real_diversity == pytest.approx(np.mean(apart) / scale, rel=1e-5)
    larger = variation(toy, target, 10 * real, embedding(10, 10), Profile(latents=40, conditions=3))
    assert larger.diversity == pytest.approx(found.diversity, rel=1e-4)
    assert larger.latent == pytest.approx(found.latent, rel=1e-4)


def test_conditions_are_real_ones_of_their_pitch_each_with_every_latent(real: np.ndarray) -> None:
    toy, seen = Toy(), []
    target = target_notes(toy)

    def embed(condition: np.ndarray, latent: np.ndarray) -> np.ndarray:
        seen.append((condition, latent))
        return latent

    variation(toy, target, real, embed, Profile(latents=4, conditions=5, pitches=2), seed=9)
    condition, latent = (one.reshape(2, 4, 5, -1) for one in seen[0])
    known = {tuple(row) for row in target.condition}
    for pitch in range(2):
        assert len({tuple(row[:3]) for row in condition[pitch].reshape(20, -1)}) == 1
        rows = {tuple(row) for row in condition[pitch].reshape(20, -1)}
        assert rows <= known
        assert len(rows) == 5
        assert (condition[pitch] == condition[pitch, :1]).all()  # the same conditions under every latent
        assert (latent[pitch] == latent[pitch][:, :1]).all()  # the same latent at every condition
    assert np.array_equal(latent[0], latent[1])
    assert np.array_equal(latent[0, :, 0], toy.latents(9, 4))
    variation(toy, target, real, embed, Profile(latents=4, conditions=5, pitches=2), seed=9)
    assert np.array_equal(seen[0][0], seen[1][0])


def test_an_instrument_without_attributes_has_one_condition_a_pitch(real: np.ndarray) -> None:
    toy = Toy(names=())
    found = variation(toy, target_notes(toy), real, lambda condition, latent: latent, Profile(latents=6, conditions=5))
    assert (found.latent, found.attributes, found.both) == pytest.approx((1, 0, 0), abs=1e-9)
    assert (found.conditions, found.pitches) == (1, 3)


def test_repeated_rows_are_taken_once_and_small_pitches_limit_the_conditions(real: np.ndarray) -> None:
    toy = Toy()
    once = target_notes(toy, 9)
    twice = Targets(np.tile(once.rows, 2), np.tile(once.condition, (2, 1)))
    first = variation(toy, once, real[:9], embedding(1, 1), Profile(latents=4, conditions=16))
    second = variation(toy, twice, np.tile(real[:9], (2, 1)), embedding(1, 1), Profile(latents=4, conditions=16))
    assert first == second
    assert first.conditions == 3


def test_a_dead_instrument_has_no_shares_and_lone_notes_no_distance(real: np.ndarray) -> None:
    toy = Toy()
    dead = variation(toy, target_notes(toy), real, lambda c, z: np.zeros((len(c), 5), np.float32), Profile(latents=3))
    assert np.isnan(dead.latent)
    assert dead.diversity == 0.0
    alone = variation(toy, target_notes(toy, 3), real[:3], embedding(1, 1), Profile(latents=3))
    assert np.isnan(alone.real_diversity)
    assert alone.conditions == 1
