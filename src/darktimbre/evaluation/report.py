"""An evaluation → `report.md`, `report.html`, `report.json` and `figures/`: verdicts, tables, figures and sounds.

What is said around them, in which order, is `templates/evaluation.jinja`.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from darktimbre.evaluation import comparison, figures, tables
from darktimbre.evaluation.comparison import FURTHER_MEASURES, MEASURES, PAPER_MEASURES, PITCH_MEASURES, REAL, Compared
from darktimbre.evaluation.results import Evaluation, Sound
from darktimbre.report.estimates import written
from darktimbre.report.tables import Comparison, Table, comparison_table, facts_table
from darktimbre.report.write import sound_address
from darktimbre.report.write import write as write_report

PACKAGE = "darktimbre.evaluation"  # of the templates
PAPER_COUNTS = {
    "scored": (10_000, "notes that every row of table 1 is scored over"),
    "reference": (10_000, "real notes to compare with"),
}
"""DarkGAN §4.4: notes of each set of sounds; here of real ones as well."""


def write(evaluation: Evaluation, folder: Path) -> None:
    """Writes the report; its sounds lie in the folder already.

    Equal evaluations give equal bytes. Every file appears whole or not at all; figures of an earlier report that this
    one has no numbers for are removed.

    Args:
        evaluation: what was found; names `Sound.file` relative to the folder. A sound without its file is listed as
            left out.
        folder: made if need be.
    """
    compared = Compared(evaluation)
    found = {
        "evaluation": evaluation, "compared": compared, "written": written,
        **in_short(compared), **_tables(compared), **_figures(compared), **settings(evaluation, folder),
        "sounds": sounds((one.name, sound) for one in evaluation.systems for sound in one.sounds),
    }  # fmt: skip
    drawn = figures.draw(compared)
    write_report(folder, "evaluation.jinja", evaluation.to_json(), package=PACKAGE, figures=drawn, **found)


def in_short(compared: Compared) -> dict[str, Any]:
    """What leads, and above all what does not: rows, and what has no row."""
    steered, baselines = compared.of_kind("darkgan"), compared.of_kind("baseline")
    baseline = comparison.to_baseline(compared, MEASURES.values())
    untrained = comparison.to_untrained(compared, MEASURES.values())
    rows: list[Comparison] = [
        *comparison.control(compared), *comparison.to_baseline(compared, PAPER_MEASURES),
        *(one for one in untrained if one.verdict != "better"), *comparison.to_real(compared),
        *comparison.curves(compared),
    ]  # fmt: skip
    timed = [(one.timing.real_time_factor, one.name, one.timing) for one in compared.systems if one.timing]
    shared = {one.a[0] for one in baseline}
    return {
        "verdicts": comparison_table("verdicts", rows),
        "all_verdicts": comparison_table("all-verdicts", baseline + untrained),
        "no_baseline": steered and not baselines,
        "alone": [one.name for one in steered if baselines and one.name not in shared],
        "unranked": comparison.unranked(compared),
        "halved": comparison.halved(compared),
        "slowest": max(timed, key=lambda one: one[0])[1:] if timed else None,
        "trained": any(one.kind not in ("real", "untrained") for one in compared.systems),
    }


def _tables(compared: Compared) -> dict[str, Any]:
    """Every table, and what the notes below them name."""
    evaluation, systems = compared.evaluation, compared.systems
    steered, made = compared.steered, [one for one in compared.steered if one.kind != "real"]
    others = [one for one in systems if one.kind != "real"]
    passed = [(one.name, one.facts["log_spectral_distance_db"]) for one in systems if
        isinstance(one.facts.get("log_spectral_distance_db"), float | int)]  # fmt: skip
    return {
        "systems": tables.systems_table(evaluation),
        "table_1": tables.score_table(compared, PAPER_MEASURES, "table-1", paper=True),
        "further": tables.score_table(compared, FURTHER_MEASURES, "further"),
        "pitch": tables.score_table(compared, PITCH_MEASURES, "pitch"),
        "paper_measures": PAPER_MEASURES, "further_measures": FURTHER_MEASURES, "pitch_measures": PITCH_MEASURES,
        "gaps_of": partial(tables.gaps, compared),
        "unmarked": tables.unmarked(compared),
        "kid_space": comparison.kid_space(evaluation.facts), "embedder": comparison.embedder(evaluation.facts),
        "round_trips": passed,
        "control": tables.control_table(compared),
        "table_2": tables.attribute_table(compared),
        "all_attributes": tables.all_attributes_table(compared),
        "published_attributes": tables.published_attributes_table(),
        "constant": tables.constant_attributes(compared),
        "other_note_row": any(one.kind == "real" and one.name == REAL["held-out"] for one in steered),
        "one_vocabulary": compared.one_vocabulary(made), "one_temperature": compared.one_temperature(made),
        "variation": tables.variation_table(evaluation),
        "timing": tables.timing_table(evaluation),
        "unsteered": [one.name for one in systems if not one.control],
        "unvaried": [one.name for one in others if not one.variation],
        "untimed": [one.name for one in others if not one.timing],
    }  # fmt: skip


def _figures(compared: Compared) -> dict[str, Any]:
    """What the captions of figures say."""
    shifted = [(one.name, curve) for one in compared.systems if (curve := one.out_of_distribution)]
    raised = [(one.name, curve) for one in compared.systems if (curve := one.increments)]
    most = compared.evaluation.asked.get("shift_attributes")
    known = max((len(c.attributes) for one in compared.systems for c in one.control.values()), default=0)
    measure = figures.trade_measure(compared)
    traded = figures.traded(compared, measure)
    shown = [one for one, _, _ in traded]
    return {
        "shifted": shifted, "numbers_2": tables.curve_table("numbers-figure-2", shifted),
        "raised": raised, "numbers_3": tables.curve_table("numbers-figure-3", raised),
        "fewer_shifted": most if most is not None and most < known else None,  # of S, where that may be fewer than all
        "by_logits": compared.by_logits(compared.steered),
        "trade_measure": measure, "traded": traded, "trade_by_logits": compared.by_logits(shown),
        "trade_of_one_vocabulary": compared.one_vocabulary(shown),
    }  # fmt: skip


def sounds(every: Iterable[tuple[str, Sound]]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """{group: {title: [(label, file)]}}: sounds of the same target side by side, in the order they came in."""
    groups: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for label, sound in every:
        groups.setdefault(sound.group, {}).setdefault(sound.title, []).append((label, sound.file))
    return groups


def settings(evaluation: Evaluation, folder: Path) -> dict[str, Any]:
    """How it was measured: what is less than in the paper, how many there were, and every digest."""
    counts, files = evaluation.counts, dict.fromkeys(s.file for one in evaluation.systems for s in one.sounds)
    missing = [f"The sound {file} is not in the report's folder." for file in files if not sound_address(folder, file)]
    fewer = [
        f"{what}: {counts[key]:,} instead of {paper:,}"
        for key, (paper, what) in PAPER_COUNTS.items()
        if counts.get(key, paper) < paper
        and not any(f"{counts[key]:,}" in sentence for sentence in evaluation.reduced)  # said already
    ]
    particulars: list[tuple[str, Table]] = []
    for place, one in enumerate(evaluation.systems):
        if facts := {**({"digest": one.digest} if one.digest else {}), **one.facts}:
            particulars.append((one.name, facts_table(f"facts-{place}", facts)))
    return {
        "reduced": [*evaluation.reduced, *fewer],
        "left_out": [*evaluation.left_out, *missing],
        "facts": facts_table("facts", evaluation.facts),
        "counts": tables.counts_table(evaluation),
        "particulars": particulars,
    }
