"""Rows over seeds, claims and aims: means and errors in closed form, verdicts clear of their bound."""

import json
from dataclasses import replace

import pytest

from darktimbre.evaluation import ablation_report
from darktimbre.evaluation.ablation_report import FAILS, HOLDS, OPEN, Trained, aims_table, claims, over_seeds
from darktimbre.evaluation.latent_figures import (
    PRIOR_OWN,
    REAL,
    Accuracy,
    LatentFigures,
    Leakage,
    Mixing,
    PriorFit,
    Reconstruction,
    Swap,
)
from darktimbre.report.estimates import Estimate


def figures(*, style: float, leak: float, octave: float = 0.4, rank: float = 2.9) -> LatentFigures:
    one = Estimate(1.0, 0.98, 1.0)
    return LatentFigures(
        "a", "d", 3,
        leakage=(
            Leakage("style", "all notes", Estimate(leak, spread=0.01), Estimate(leak - 0.1, spread=0.01), 4, 90, 0),
            Leakage("style", "the test split by the others", Estimate(leak + 0.03), Estimate(leak), 4, 30, 0),
            Leakage("octave", "all notes", Estimate(octave, spread=0.01), Estimate(0.0, spread=0.01), 3, 90, 0),
        ),
        prior=PriorFit(90, (0.0,), (1.0,), (0.1,), 0.05, 0.1, 0.05, rank),
        reconstruction=Reconstruction(9, Estimate(5.0), Estimate(0.9), Estimate(0.7), Estimate(None),
                                      level_modulation=Estimate(1.5)),
        accuracy=(
            Accuracy(REAL, 60, style=Estimate(0.8, 0.7, 0.9), semitone=one, octave=one),
            Accuracy(PRIOR_OWN, 90, style=Estimate(0.8 * style, 0.72 * style, 0.88 * style), semitone=one, octave=one),
        ),
        swap=Swap(30, Estimate(0.8 * style, 0.76 * style, 0.84 * style), Estimate(0.1), one, one, one, one),
        mixing=Mixing(8, Estimate(0.95), Estimate(0.5)),
    )  # fmt: skip


def test_the_better_probe_counts_and_accuracies_are_shares_of_a_star() -> None:
    found = figures(style=0.9, leak=0.2).estimates()
    assert float(found["leakage_style"]) == 0.2
    assert float(found["leakage_style_held_out"]) == pytest.approx(0.23)
    assert float(found["level_modulation"]) == 1.5
    assert float(found["swap_style"]) == pytest.approx(0.9)
    assert float(found["own_style"]) == pytest.approx(0.9)
    assert found["own_style"].interval == pytest.approx((0.81, 0.99))
    assert "vibrato" not in found


def test_rows_are_means_over_seeds_with_the_error_over_them() -> None:
    trained = [Trained("wae-fader", f"seed {n}", figures(style=s, leak=0.1)) for n, s in enumerate((0.8, 0.9, 1.0))]
    row = over_seeds(trained)["wae-fader"]
    assert float(row["swap_style"]) == pytest.approx(0.9)
    assert row["swap_style"].spread == pytest.approx(0.1 / 3**0.5)
    alone = over_seeds(trained[:1])["wae-fader"]
    assert alone["swap_style"] == trained[0].figures.estimates()["swap_style"]


@pytest.mark.parametrize(
    ("style", "fader", "verdicts"), [(0.1, 1.0, (HOLDS, HOLDS)), (0.9, 0.5, (FAILS, FAILS)), (0.5, 0.8, (OPEN, OPEN))]
)
def test_claims_hold_where_their_figure_is_clear_of_the_bound(
    style: float, fader: float, verdicts: tuple[str, str]
) -> None:
    rows = {
        "wae-mmd": figures(style=1, leak=0.1, octave=0.6).estimates(),
        "wae-note": figures(style=1, leak=0.6, octave=0.1).estimates(),
        "wae-style": figures(style=style, leak=0.3).estimates(),
        "wae-fader": figures(style=fader, leak=0.05).estimates(),
    }
    found = {one.claim: one.verdict for one in claims(rows)}
    assert found["WAE-style does not follow its style input"] == verdicts[0]
    assert found["WAE-Fader follows its style input"] == verdicts[1]
    assert found["The latents of WAE-MMD show octaves more than styles"] == HOLDS
    assert found["The latents of WAE-note show styles more than octaves"] == HOLDS
    assert found["The latents of WAE-style mix styles"] == FAILS
    assert found["The latents of WAE-Fader mix styles"] == HOLDS
    assert claims({}) == []


def test_aims_name_what_was_missed_and_the_larger_latent_beside() -> None:
    rows = {
        "wae-class-prior": figures(style=0.85, leak=0.02).estimates(),
        "wae-class-prior, 16 dimensions": figures(style=1, leak=0.02).estimates(),
    }
    table = aims_table(rows)
    reached = {(what, row[0].text): row[3].text for _, what, _, row in table.rows}
    assert reached["style of prior samples, share of A*", "wae-class-prior"] == "no"
    assert reached["swapped style, share of A*", "wae-class-prior"] == "yes"
    assert reached["leakage of style, class-wise prior", "wae-class-prior"] == "yes"
    assert reached["partials kept", "wae-class-prior, 16 dimensions"] == "yes"
    assert reached["modulation of the whole, output over input", "wae-class-prior"] == "no"
    assert not any(what == "leakage of style, latent discriminator" for what, _ in reached)


def test_figures_come_back_from_json() -> None:
    found = replace(figures(style=0.9, leak=0.2), fad={"prior": 1.5}, warnings=("careful",))
    assert LatentFigures.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_upper_bounds_are_the_mirror_of_lower_ones() -> None:
    value = Estimate(0.1, 0.05, 0.2)
    assert ablation_report._below(value, 0.3) == HOLDS
    assert ablation_report._below(value, 0.15) == OPEN
    assert ablation_report._below(value, 0.04) == FAILS
    assert ablation_report._below(Estimate(0.1), 0.2) == HOLDS
