"""An evaluation → `report.md`, `report.html`, `report.json` and `figures/`: verdicts, tables, figures and sounds.

What is said around them, in which order, is `templates/evaluation.jinja`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from darktimbre.evaluation import comparison, figures, in_loss, tables
from darktimbre.evaluation.comparison import MEASURES, PAPER_MEASURES, Compared
from darktimbre.evaluation.results import Evaluation, Sound
from darktimbre.report.estimates import written
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
    measure, most = figures.trade_measure(compared), evaluation.asked.get("shift_attributes")
    known = max((len(found.attributes) for one in evaluation.systems for found in one.control.values()), default=0)
    write_report(
        folder, "evaluation.jinja", evaluation.to_json(), package=PACKAGE, figures=figures.draw(compared),
        evaluation=evaluation, compared=compared, comparison=comparison, tables=tables, written=written,
        in_loss=in_loss.table(compared),
        trade_measure=measure, traded=figures.traded(compared, measure),
        fewer_shifted=most if most is not None and most < known else None,  # of S, where that may be fewer than all
        **in_short(compared), **settings(evaluation, folder),
        sounds=sounds((one.name, sound) for one in evaluation.systems for sound in one.sounds),
    )  # fmt: skip


def in_short(compared: Compared) -> dict[str, Any]:
    """What leads, and above all what does not: rows, and what has no row."""
    baseline = comparison.fidelity(compared, "baseline", MEASURES.values())
    untrained = comparison.fidelity(compared, "untrained", MEASURES.values())
    rows = [
        *comparison.control(compared), *comparison.fidelity(compared, "baseline", PAPER_MEASURES),
        *(one for one in untrained if one.verdict != "better"), *comparison.to_real(compared),
        *comparison.curves(compared),
    ]  # fmt: skip
    steered = compared.of_kind("darkgan") if compared.of_kind("baseline") else []
    return {
        "verdicts": comparison_table("verdicts", rows),
        "all_verdicts": comparison_table("all-verdicts", baseline + untrained),
        "alone": [one.name for one in steered if one.name not in {row.a[0] for row in baseline}],
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
