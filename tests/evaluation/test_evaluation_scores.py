"""Table 1 from features: hand-made predictions of a classifier, known shares, and what is missing when."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from darktimbre.evaluation.profile import QUICK
from darktimbre.evaluation.results import MISSING, Estimate, Scores
from darktimbre.evaluation.scores import Reference, RoleFeatures
from darktimbre.measures.frechet import Moments, frechet_distance, frechet_infinity, frechet_standard_error
from darktimbre.measures.interval import bootstrap_mean
from darktimbre.measures.kernel import kernel_distance, polynomial_mmd
from darktimbre.measures.neighbours import fidelity_and_diversity

PROFILE = replace(QUICK, subsets=5, subset_size=10, neighbours=3, resamples=50)
NOTES, INSTRUMENTS, PITCHES, DIMENSION = 48, 8, 4, 6
PITCH = np.arange(NOTES) % PITCHES
GROUPS = np.repeat(np.arange(INSTRUMENTS), NOTES // INSTRUMENTS)
HERTZ = 220.0 * 2 ** (PITCH / 12)


def certain(classes: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Logits of a certain prediction."""
    return np.where(np.arange(count) == classes[:, None], 200.0, 0.0).astype(np.float32)


def features_of(seed: int, *, classifier: bool = True, shift: float = 0.0) -> RoleFeatures:
    """Features of notes of instruments that differ, all at their pitch, families 0, 1, 0, 1 …"""
    random = np.random.default_rng(seed)
    level = shift + random.normal(size=(INSTRUMENTS, DIMENSION))[GROUPS]
    found: RoleFeatures = {
        "embedder": {"embedding": (level + 0.3 * random.normal(size=(NOTES, DIMENSION))).astype(np.float32)},
        "fundamental": {"f0": HERTZ.astype(np.float32)},
    }
    if classifier:
        found["classifier"] = {
            "pitch": certain(PITCH, PITCHES),
            "family": certain(GROUPS % 2, 3),
            "embedding": random.normal(shift, 1, (NOTES, 5)).astype(np.float32),
        }
    return found


def scored(
    sounds: RoleFeatures,
    real: RoleFeatures,
    *,
    hertz: NDArray[np.float64] = HERTZ,
    classes: NDArray[np.int64] = PITCH,
    groups: NDArray[np.int64] = GROUPS,
    seed: int = 1,
) -> Scores:
    reference = Reference(real, GROUPS, PROFILE, seed)
    return reference.score(sounds, hertz=hertz, pitch_classes=classes, groups=groups)


def test_certain_answers_score_the_number_of_classes() -> None:
    found = scored(features_of(0), features_of(1))
    assert found.notes == NOTES
    assert found.pitch_inception.value == pytest.approx(PITCHES)
    assert found.family_inception.value == pytest.approx(2)  # of three families, two ever occur
    assert found.pitch_by_classifier == Estimate(1.0, 1.0, 1.0, 0.0)
    assert found.pitch_by_f0 == Estimate(1.0, 1.0, 1.0, 0.0)


def test_a_classifier_that_predicts_one_class_always_scores_one() -> None:
    sounds = features_of(0)
    sounds["classifier"]["pitch"] = certain(np.zeros(NOTES, np.int64), PITCHES)
    sounds["classifier"]["family"] = np.zeros((NOTES, 3), np.float32)  # or has no idea
    found = scored(sounds, features_of(1))
    assert found.pitch_inception == Estimate(1.0, spread=pytest.approx(0, abs=1e-12))
    assert found.family_inception.value == pytest.approx(1)
    assert found.pitch_by_classifier.value == 1 / PITCHES  # right by chance


def test_share_of_right_pitches_and_its_error_by_instrument() -> None:
    sounds, wrong = features_of(0), GROUPS < 2  # two instruments of eight are a class off, and a semitone
    sounds["classifier"]["pitch"] = certain(np.where(wrong, (PITCH + 1) % PITCHES, PITCH), PITCHES)
    sounds["fundamental"]["f0"] = np.where(wrong, HERTZ * 2 ** (1 / 12), HERTZ * 2 ** (49 / 1200)).astype(np.float32)
    found = scored(sounds, features_of(1))
    for share in (found.pitch_by_classifier, found.pitch_by_f0):
        assert share.value == 0.75
        mean = bootstrap_mean(~wrong, GROUPS, resamples=PROFILE.resamples, seed=1)
        assert (share.low, share.high) == (mean.low, mean.high)
        assert share.spread == pytest.approx(np.std([0, 0, 1, 1, 1, 1, 1, 1], ddof=1) / INSTRUMENTS**0.5)


def test_a_note_without_a_fundamental_is_not_in_tune() -> None:
    sounds = features_of(0)
    sounds["fundamental"]["f0"][:12] = np.nan
    assert scored(sounds, features_of(1)).pitch_by_f0.value == 0.75


def test_a_pitch_that_the_classifier_does_not_know_leaves_its_share_out() -> None:
    unknown = np.where(np.arange(NOTES) == 5, -1, PITCH)
    found = scored(features_of(0), features_of(1), classes=unknown)
    assert found.pitch_by_classifier == MISSING
    assert found.pitch_inception.value == pytest.approx(PITCHES)  # which needs no target pitch
    without_target = scored(features_of(0), features_of(1), hertz=np.zeros(0), classes=np.zeros(0, np.int64))
    assert (without_target.pitch_by_classifier, without_target.pitch_by_f0) == (MISSING, MISSING)


def test_without_a_classifier_its_figures_are_missing_and_kid_is_the_embedders() -> None:
    sounds, real = features_of(0, classifier=False), features_of(1, classifier=False)
    found = scored(sounds, real)
    assert (found.pitch_inception, found.family_inception, found.pitch_by_classifier) == (MISSING,) * 3
    pair = real["embedder"]["embedding"], sounds["embedder"]["embedding"]
    assert found.kid.value == pytest.approx(polynomial_mmd(*pair), rel=1e-9)
    assert found.pitch_by_f0.value == 1


def test_one_class_says_nothing() -> None:
    sounds = features_of(0)
    sounds["classifier"]["family"] = np.zeros((NOTES, 1), np.float32)
    assert scored(sounds, features_of(1)).family_inception == MISSING


def test_kid_is_in_the_classifiers_space_when_there_is_one() -> None:
    sounds, real = features_of(0, shift=0.5), features_of(1)
    found = scored(sounds, real)
    kernel = kernel_distance(
        real["classifier"]["embedding"], sounds["classifier"]["embedding"],
        subsets=5, subset_size=10, groups=GROUPS, seed=1,
    )  # fmt: skip
    assert found.kid == Estimate(kernel.value, spread=kernel.standard_error)
    assert found.kid_subsets == Estimate(kernel.mean, spread=kernel.std)
    assert found.kid.value > 0


def test_distances_are_reported_with_errors_by_instrument() -> None:
    sounds, real = features_of(0, shift=0.5), features_of(1)
    mine, theirs = sounds["embedder"]["embedding"], real["embedder"]["embedding"]
    found, reference = scored(sounds, real), Moments().add(theirs)
    assert found.fad.value == pytest.approx(frechet_distance(reference, Moments().add(mine)))
    assert found.fad.spread == pytest.approx(frechet_standard_error(reference, mine, GROUPS))
    assert found.fad.spread > 1.5 * frechet_standard_error(reference, mine)  # for instruments differ
    limit = frechet_infinity(theirs, mine, groups=GROUPS, seed=1)
    assert found.fad_infinity.value == pytest.approx(limit.value)
    assert found.fad_infinity.spread == pytest.approx(limit.standard_error)
    near = fidelity_and_diversity(theirs, mine, k=3, real_groups=GROUPS, fake_groups=GROUPS)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == Estimate(getattr(near, name), spread=getattr(near.errors, name))


@pytest.mark.parametrize(
    ("notes", "known"), [(DIMENSION, ()), (DIMENSION + 1, ("fad",)), (3 * DIMENSION, ("fad", "fad_infinity"))]
)
@pytest.mark.parametrize("few", ["sounds", "reference"])
def test_frechet_distances_are_left_out_where_notes_are_too_few(notes: int, known: tuple[str, ...], few: str) -> None:
    sounds, real = features_of(0, classifier=False), features_of(1, classifier=False)
    cut = sounds if few == "sounds" else real
    for tables in cut.values():
        tables.update({name: table[:notes] for name, table in tables.items()})
    mine, theirs = (slice(notes), slice(None)) if few == "sounds" else (slice(None), slice(notes))
    reference = Reference(real, GROUPS[theirs], PROFILE, 1)
    found = reference.score(sounds, hertz=HERTZ[mine], pitch_classes=PITCH[mine], groups=GROUPS[mine])
    for name in ("fad", "fad_infinity"):
        assert (getattr(found, name) != MISSING) is (name in known)
    assert found.kid.value is not None


def test_one_instrument_has_no_error() -> None:
    found = scored(features_of(0), features_of(1), groups=np.zeros(NOTES, np.int64))
    for one in fields(found):
        estimate = getattr(found, one.name)
        if one.name not in ("notes", "recall", "coverage", "kid_subsets"):  # the reference has several
            assert estimate.value is not None
            assert (estimate.low, estimate.high, estimate.spread) == (None, None, None), one.name
    assert found.recall.spread is not None


def test_the_same_again_and_the_reference_is_not_used_up() -> None:
    real = features_of(1)
    reference, of_another_seed = (Reference(real, GROUPS, PROFILE, seed) for seed in (1, 2))
    arguments = {"hertz": HERTZ, "pitch_classes": PITCH, "groups": GROUPS}
    first = reference.score(features_of(0), **arguments)
    reference.score(features_of(2), **arguments)
    assert reference.score(features_of(0), **arguments) == first == scored(features_of(0), features_of(1))
    assert reference.parts is reference.parts
    other = of_another_seed.score(features_of(0), **arguments)
    assert (other.fad, other.kid.value) == (first.fad, first.kid.value)
    assert other.fad_infinity != first.fad_infinity


def test_real_notes_against_themselves() -> None:
    real = features_of(1)
    found = scored(real, real)
    assert found.fad.value == pytest.approx(0, abs=1e-9)
    assert found.fad_infinity.value == pytest.approx(0, abs=1e-5)
    assert (found.precision.value, found.recall.value, found.density.value, found.coverage.value) == (1, 1, 1, 1)
    assert found.kid.value < 0  # unbiased: nearer than two draws of one distribution ever are
