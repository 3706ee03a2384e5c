"""Latents measured: latents that hold the style or nothing, decoders that obey or ignore it, collapse, bad input."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.styled_tones import PITCHES, TILT, ToneAutoencoder, evaluator, styled_corpus

from darktimbre.evaluation.autoencoders import StyledNotes, conditions_of
from darktimbre.evaluation.latent_figures import PRIOR_ANY, PRIOR_COMMON, PRIOR_OWN, REAL, LatentFigures
from darktimbre.evaluation.latents import LatentCounts, LatentStudy
from darktimbre.measures import probes
from darktimbre.notes.attributes import STYLES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec

COUNTS = LatentCounts(
    latents=500, real=60, prior=36, swaps=30, mixtures=6, steps=5, reconstructions=20, inversions=4, resamples=50
)


@pytest.fixture(scope="module", autouse=True)
def quick_probes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "PASSES", 60)
        yield


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> StyledNotes:
    return StyledNotes.of(styled_corpus(tmp_path_factory.mktemp("styled") / "corpus"))


@pytest.fixture(scope="module")
def study(notes: StyledNotes) -> LatentStudy:
    return LatentStudy(
        notes, [evaluator()], counts=COUNTS, embed=lambda waves: evaluator().extractor.extract(waves, 8000)["embedding"]
    )


@pytest.fixture(scope="module")
def obedient(study: LatentStudy) -> LatentFigures:
    return study.measure(ToneAutoencoder())


@pytest.fixture(scope="module")
def ignoring(study: LatentStudy) -> LatentFigures:
    """Holds the style in its latent, and makes sounds by that whatever its condition."""
    return study.measure(ToneAutoencoder("ignoring", leaky=True, obeys=False))


def test_a_code_of_noise_leaks_nothing_one_that_holds_the_style_all_of_it(
    obedient: LatentFigures, ignoring: LatentFigures
) -> None:
    clean, leaky = (one.of("style", "all notes") for one in (obedient, ignoring))
    assert clean is not None
    assert leaky is not None
    assert abs(float(clean.mlp)) < 0.2
    assert abs(float(clean.neighbours)) < 0.2
    assert float(leaky.mlp) > 0.95
    assert leaky.most > 0.95
    octave = ignoring.of("octave", "all notes")
    assert octave is not None
    assert octave.most < 0.25  # it holds nothing else
    held_out = ignoring.of("style", "the test split by the others")
    assert held_out is not None
    assert held_out.most > 0.9
    assert held_out.notes == 72


def test_prior_fit_and_collapse(obedient: LatentFigures, study: LatentStudy) -> None:
    assert obedient.prior is not None
    assert obedient.prior.rank > 2.8
    assert obedient.prior.sliced < 2 * obedient.prior.sliced_expected
    collapsed = study.measure(replace(ToneAutoencoder(), collapsed=True))
    assert collapsed.prior is not None
    assert collapsed.prior.rank == 0
    assert collapsed.prior.sliced > 0.9
    leak = collapsed.of("style", "all notes")
    assert leak is not None
    assert abs(leak.most) < 0.1  # a collapsed latent leaks nothing: hence the rank beside it


def test_reconstructions_lose_what_is_blurred(obedient: LatentFigures, study: LatentStudy) -> None:
    assert obedient.reconstruction is not None
    assert float(obedient.reconstruction.distance) < 4.0  # its phases are not the note's
    assert float(obedient.reconstruction.partials) > 0.97
    blurred = study.measure(replace(ToneAutoencoder(), blur=0.5)).reconstruction
    assert blurred is not None
    assert float(blurred.partials) == pytest.approx(0.5, abs=0.08)
    assert float(blurred.distance) > 3 * float(obedient.reconstruction.distance)


def test_the_targets_of_an_obedient_decoder_are_predicted(obedient: LatentFigures) -> None:
    real = obedient.accuracy_of(REAL)
    assert float(real.style) == float(real.semitone) == float(real.octave) == 1
    for which in (PRIOR_COMMON, PRIOR_OWN, PRIOR_ANY):
        assert float(obedient.accuracy_of(which).style) == 1
        assert float(obedient.accuracy_of(which).pitch) == 1
        assert float(obedient.accuracy_of(which).tuned) > 0.9
    assert float(obedient.relative(PRIOR_COMMON, "style")) == 1


def test_levels_of_steady_tones_are_modulated_as_the_notes(obedient: LatentFigures, study: LatentStudy) -> None:
    class Modulated(ToneAutoencoder):
        def waves(self, latent: np.ndarray, condition: np.ndarray) -> np.ndarray:
            steady = super().waves(latent, condition)
            time = np.arange(steady.shape[1]) / 8000
            return np.asarray(steady * 10 ** (0.3 * (np.sin(2 * np.pi * 8 * time) - 1)), np.float32)

    assert obedient.reconstruction is not None
    assert {"level_modulation", "level_modulation_prior"} <= obedient.estimates().keys()
    assert float(obedient.reconstruction.level_modulation) == pytest.approx(1, abs=0.3)
    assert float(obedient.level_modulation) == pytest.approx(1, abs=0.3)
    found = study.measure(Modulated())
    assert found.reconstruction is not None
    assert float(found.reconstruction.level_modulation) > 3
    assert float(found.level_modulation) > 3


def test_a_decoder_that_ignores_styles_is_found_out(ignoring: LatentFigures) -> None:
    assert float(ignoring.accuracy_of(PRIOR_OWN).style) < 0.6
    assert float(ignoring.accuracy_of(PRIOR_OWN).semitone) > 0.9  # but follows the pitch
    assert ignoring.swap is not None
    assert float(ignoring.swap.style) < 0.1
    assert float(ignoring.swap.stayed) > 0.9
    assert float(ignoring.swap.nearer) < 0.1
    assert float(ignoring.swap.nearer_spectrum) < 0.1
    assert ignoring.mixing is not None
    assert abs(float(ignoring.mixing.spearman)) < 0.2


def test_swapped_styles_and_mixtures_of_an_obedient_decoder(obedient: LatentFigures) -> None:
    assert obedient.swap is not None
    assert float(obedient.swap.style) == 1
    assert float(obedient.swap.stayed) == 0
    assert float(obedient.swap.pitch) == 1
    assert float(obedient.swap.nearer) == 1
    assert float(obedient.swap.nearer_spectrum) > 0.9
    assert obedient.mixing is not None
    assert float(obedient.mixing.spearman) > 0.99
    assert float(obedient.mixing.monotone) == 1


def test_distance_to_real_notes(obedient: LatentFigures) -> None:
    assert set(obedient.fad) == {"prior", "real"}
    assert 0 <= obedient.fad["prior"] < 0.5  # type: ignore[operator]


def test_without_styles_in_its_condition_there_are_no_figures_of_styles(study: LatentStudy) -> None:
    found = study.measure(ToneAutoencoder(styles=()))
    assert found.swap is None
    assert found.mixing is None
    assert not found.accuracy_of(PRIOR_OWN).style.known
    assert float(found.accuracy_of(PRIOR_OWN).pitch) == 1
    assert not found.relative(PRIOR_OWN, "style").known
    assert "own_style" not in found.estimates()


def test_of_pitches_that_a_model_does_not_know_nothing_is_decoded(study: LatentStudy) -> None:
    class Narrow(ToneAutoencoder):
        @property
        def attributes(self) -> Attributes:
            return Attributes(pitches=(20, 21), names=self.styles, teacher=STYLES)

        def waves(self, latent: np.ndarray, condition: np.ndarray) -> np.ndarray:
            assert not len(latent)
            return np.zeros((0, 4000), np.float32)

    assert study.swaps(Narrow()) is None
    assert study.mixing(Narrow()) is None
    with pytest.raises(UserError, match="plays none of the pitches"):
        study.measure(Narrow())


def test_an_evaluator_without_pitches_counts_for_styles_alone(study: LatentStudy) -> None:
    both = LatentStudy(study.notes, [evaluator(), replace(evaluator(), name="styles", pitches=())], counts=COUNTS)
    found = both.real_accuracy()[0]
    assert float(found.pitch) == 1
    assert found.evaluators["styles"].keys() == {"style"}


def test_figures_are_plain_json_and_the_same_again(obedient: LatentFigures, study: LatentStudy) -> None:
    import json

    text = json.dumps(obedient.to_json(), allow_nan=False)
    assert json.loads(text)["headline"]["swap_style"] == 1
    assert study.measure(ToneAutoencoder()) == obedient


def test_without_evaluators_codes_and_reconstruction_alone(notes: StyledNotes) -> None:
    found = LatentStudy(notes, counts=COUNTS, split="valid").measure(ToneAutoencoder())
    assert found.accuracy == ()
    assert found.leakage
    assert found.reconstruction is not None


def test_styles_without_a_common_octave_are_warned_of(tmp_path: Path) -> None:
    apart = StyledNotes.of(styled_corpus(tmp_path / "apart", shared=False))
    study = LatentStudy(apart, [evaluator()], counts=COUNTS)
    assert study.octaves == ()
    assert "share no octave" in study.measure(ToneAutoencoder()).warnings[0]
    assert study.samples(ToneAutoencoder(), PRIOR_COMMON) is None


def test_a_style_without_any_pitch_is_no_target(tmp_path: Path) -> None:
    study = LatentStudy(
        StyledNotes.of(styled_corpus(tmp_path / "noise", unpitched="dull")), [evaluator()], counts=COUNTS
    )
    dull = study.notes.styles.index("dull")
    for which in (PRIOR_OWN, PRIOR_ANY):
        style, pitch = study.targets(which, 30)
        assert ((pitch < 0) == ((style == dull) & (which == PRIOR_OWN))).all()
    found = study.measure(ToneAutoencoder())
    assert found.accuracy_of(PRIOR_OWN).notes == COUNTS.prior * 2 // 3
    assert float(found.accuracy_of(PRIOR_OWN).pitch) == 1
    assert not found.accuracy_of(PRIOR_COMMON).notes


def test_octaves_and_common_range(study: LatentStudy, notes: StyledNotes) -> None:
    assert study.octaves == (3, 4)
    assert notes.warnings == ()
    style, pitch = study.targets(PRIOR_COMMON, 90)
    assert np.bincount(style).tolist() == [30, 30, 30]
    assert set(pitch.tolist()) <= set(PITCHES)
    assert notes.octave[notes.pitch == 60].tolist() == [4] * 6
    assert set(notes.semitone.tolist()) == set(range(12))


def test_bad_input_is_one_sentence(tmp_path: Path, notes: StyledNotes) -> None:
    with pytest.raises(UserError, match="have the style 'dull'"):
        StyledNotes.of(styled_corpus(tmp_path / "one", styles=("dull",)))
    with pytest.raises(UserError, match="in its valid split"):
        LatentStudy(notes.where(notes.pitch >= 53), split="valid")
    with pytest.raises(UserError, match="does not know the style"):
        LatentStudy(notes, [replace(evaluator(), styles=("dull", "loud"))])

    class Longer(ToneAutoencoder):
        @property
        def codec(self) -> Codec:
            return Codec()

    with pytest.raises(UserError, match="give the corpus that it was trained on"):
        LatentStudy(notes, counts=COUNTS).measure(Longer())


def test_conditions_follow_the_models_own_order_of_names() -> None:
    attributes = ToneAutoencoder(styles=("middle", "unknown", "bright")).attributes
    found = conditions_of(attributes, tuple(TILT), np.eye(3, dtype=np.float32), np.array([48, 71, -1]))
    assert found[:, : len(PITCHES)].sum(axis=1).tolist() == [1, 1, 0]
    assert found[:, len(PITCHES) :].tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
