"""An evaluation → `report.md`, `report.html`, `report.json` and `figures/`: verdicts, tables, figures and sounds.

What is said around them, in which order, is `templates/evaluation.jinja`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from darktimbre.evaluation import comparison, figures, tables
from darktimbre.evaluation.comparison import MEASURES, PAPER_MEASURES, REAL, Compared
from darktimbre.evaluation.results import HELD_OUT, Evaluation, Sound
from darktimbre.report.estimates import Estimate, written
from darktimbre.report.tables import comparison_table, facts_table
from darktimbre.report.write import sound_address
from darktimbre.report.write import write as write_report

PACKAGE = "darktimbre.evaluation"  # of the templates
PAPER_COUNTS = {
    "scored": (10_000, "notes that every row of table 1 is scored over"),
    "reference": (10_000, "real notes to compare with"),
}
"""DarkGAN §4.4: notes of each set of sounds; here of real ones as well."""


def write(evaluation: Evaluation, folder: Path) -> None:
    """Writes the report into its folder, where its sounds lie already: one without its file is listed as left out."""
    compared = Compared(evaluation)
    write_report(
        folder, "evaluation.jinja", evaluation.to_json(), package=PACKAGE, figures=figures.draw(compared),
        evaluation=evaluation, compared=compared, comparison=comparison, tables=tables, written=written,
        **in_short(compared), **_captions(compared), **settings(evaluation, folder),
        sounds=sounds((one.name, sound) for one in evaluation.systems for sound in one.sounds),
    )  # fmt: skip


def in_short(compared: Compared) -> dict[str, Any]:
    """What leads, and above all what does not: rows, and what has no row."""
    steered, baselines = compared.of_kind("darkgan"), compared.of_kind("baseline")
    baseline = comparison.fidelity(compared, "baseline", MEASURES.values())
    untrained = comparison.fidelity(compared, "untrained", MEASURES.values())
    rows = [
        *comparison.control(compared), *comparison.fidelity(compared, "baseline", PAPER_MEASURES),
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
        "slowest": max(timed, key=lambda one: one[0])[1:] if timed else None,
    }


def _captions(compared: Compared) -> dict[str, Any]:
    """What captions and notes say besides."""
    systems, measure = compared.systems, figures.trade_measure(compared)
    generated = [one for one in systems if one.kind != "real"]
    traded, made = figures.traded(compared, measure), [one for one in generated if one.control]
    most = compared.evaluation.asked.get("shift_attributes")
    known = max((len(c.attributes) for one in systems for c in one.control.values()), default=0)
    round_trips = [(one.name, Estimate(one.facts.get("log_spectral_distance_db"))) for one in systems]
    return {
        "round_trips": [(name, float(far)) for name, far in round_trips if far.known],
        "other_notes": any(one.name == REAL[HELD_OUT] for one in compared.steered),
        "one_vocabulary": compared.one_vocabulary(made),
        "one_temperature": compared.one_temperature(made),
        "shifted": [(one.name, curve) for one in systems if (curve := one.out_of_distribution)],
        "fewer_shifted": most if most is not None and most < known else None,  # of S, where that may be fewer than all
        "raised": [(one.name, curve) for one in systems if (curve := one.increments)],
        "trade_measure": measure,
        "traded": traded,
        "without": {  # a test, by the field of a system
            field: [one.name for one in of if not getattr(one, field)]
            for field, of in (("control", systems), ("variation", generated), ("timing", generated))
        },
    }


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
    known = [(one.name, {**({"digest": one.digest} if one.digest else {}), **one.facts}) for one in evaluation.systems]
    return {
        "reduced": [*evaluation.reduced, *fewer],
        "left_out": [*evaluation.left_out, *missing],
        "facts": facts_table("facts", evaluation.facts),
        "counts": tables.counts_table(evaluation),
        "particulars": [(name, facts_table(f"facts-{n}", facts)) for n, (name, facts) in enumerate(known) if facts],
    }
