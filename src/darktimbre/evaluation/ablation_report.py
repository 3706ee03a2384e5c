"""Figures of several autoencoders, some seeds of each → one report: rows over seeds, claims of the paper, aims.

A row is the mean over its seeds, with the standard error over them where there are two or more: what another training
run would have given. With one seed it has the interval over notes, which does not say that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from darktimbre.evaluation import latent_report
from darktimbre.evaluation.autoencoders import Autoencoder
from darktimbre.evaluation.latent_figures import LatentFigures
from darktimbre.evaluation.latent_page import write_page
from darktimbre.evaluation.latent_pictures import Cloud
from darktimbre.evaluation.latents import LatentStudy
from darktimbre.evaluation.report import PACKAGE
from darktimbre.report import figures
from darktimbre.report.estimates import DASH, MISSING, Estimate, written
from darktimbre.report.figures import Dot
from darktimbre.report.tables import Table, column, facts_table
from darktimbre.report.write import write as write_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Estimates = Mapping[str, Estimate]

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided"


@dataclass(frozen=True)
class Trained:
    """One trained model, and what was measured of it."""

    row: str  # what its seeds have in common
    title: str
    figures: LatentFigures


def over_seeds(trained: Sequence[Trained]) -> dict[str, dict[str, Estimate]]:
    """Row → figures over its seeds, in the order of first appearance."""
    rows: dict[str, dict[str, Estimate]] = {}
    for row in dict.fromkeys(one.row for one in trained):
        each = [one.figures.estimates() for one in trained if one.row == row]
        keys = list(dict.fromkeys(key for found in each for key in found))
        rows[row] = {key: _mean([found[key] for found in each if key in found]) for key in keys}
    return rows


def _mean(values: Sequence[Estimate]) -> Estimate:
    if len(values) == 1:
        return values[0]
    numbers = np.array([float(one) for one in values])
    return Estimate(float(numbers.mean()), spread=float(numbers.std(ddof=1) / np.sqrt(len(numbers))))


# ── claims and aims ───────────────────────────────────────────────────────────────────────────────────────────────────


class Claim(NamedTuple):
    """What Bitton et al. (2019) report, and whether it is so here."""

    claim: str
    figures: str
    verdict: str


def claims(rows: Mapping[str, Estimates]) -> list[Claim]:
    """The claims that rows have figures for."""
    found = []
    style, fader, mmd, note = (rows.get(f"wae-{one}", {}) for one in ("style", "fader", "mmd", "note"))
    if "swap_style" in style:
        value = style["swap_style"]
        found.append(
            Claim("WAE-style does not follow its style input", f"new style recognised in {written(value, 2)} A*",
                  _below(value, 0.5))
        )  # fmt: skip
    if "swap_style" in fader:
        value, sampled = fader["swap_style"], fader.get("own_style", MISSING)
        text = f"new style recognised in {written(value, 2)} A*, of samples in {written(sampled, 2)} A*"
        found.append(Claim("WAE-Fader follows its style input", text, _above(value, 0.8)))
    if {"leakage_octave", "leakage_style"} <= mmd.keys():
        value = mmd["leakage_octave"].minus(mmd["leakage_style"])
        text = f"leakage of the octave {written(mmd['leakage_octave'], 2)}, of style {written(mmd['leakage_style'], 2)}"
        found.append(Claim("The latents of WAE-MMD show octaves more than styles", text, _above(value, 0.0)))
    if {"leakage_octave", "leakage_style"} <= note.keys():
        value = note["leakage_style"].minus(note["leakage_octave"])
        text = (
            f"leakage of style {written(note['leakage_style'], 2)}, of the octave {written(note['leakage_octave'], 2)}"
        )
        found.append(Claim("The latents of WAE-note show styles more than octaves", text, _above(value, 0.0)))
    for name, one in (("WAE-style", style), ("WAE-Fader", fader)):
        if "leakage_style" in one:
            value = one["leakage_style"]
            found.append(
                Claim(f"The latents of {name} mix styles", f"leakage {written(value, 2)}", _below(value, 0.15))
            )
    return found


def _above(value: Estimate, least: float) -> str:
    """Whether a figure is above something, where its interval is clear of it (or there is none)."""
    if not value.known:
        return DASH
    low, high = value.interval or (float(value), float(value))
    return HOLDS if low > least else FAILS if high < least else OPEN


def _below(value: Estimate, most: float) -> str:
    found = _above(value, most)
    return {HOLDS: FAILS, FAILS: HOLDS}.get(found, found)


class Aim(NamedTuple):
    """A figure that should be reached: of which row, on which side of what."""

    what: str
    row: str
    key: str
    least: float | None = None
    most: float | None = None


AIMS = (
    Aim("style of prior samples, share of A*", "wae-class-prior", "own_style", least=0.90),
    Aim("semitone of prior samples, share of A*", "wae-class-prior", "own_semitone", least=0.95),
    Aim("octave of prior samples, share of A*", "wae-class-prior", "own_octave", least=0.95),
    Aim("style in the common octaves, share of A*", "wae-class-prior", "common_style", least=0.90),
    Aim("leakage of style, class-wise prior", "wae-class-prior", "leakage_style", most=0.05),
    Aim("the same, held-out notes", "wae-class-prior", "leakage_style_held_out", most=0.05),
    Aim("leakage of style, latent discriminator", "wae-fader", "leakage_style", most=0.15),
    Aim("effective rank of 3", "wae-class-prior", "rank", least=2.8),
    Aim("effective rank of 3, latent discriminator", "wae-fader", "rank", least=2.8),
    Aim("swapped style, share of A*", "wae-class-prior", "swap_style", least=0.80),
    Aim("pitch kept when style is swapped", "wae-class-prior", "swap_pitch", least=0.90),
    Aim("partials kept", "wae-class-prior", "partials", least=0.85),
    Aim("tremolo kept", "wae-class-prior", "tremolo", least=0.60),
    Aim("modulation of the whole, output over input", "wae-class-prior", "level_modulation", most=1.20),
    Aim("mixing, rank correlation", "wae-class-prior", "spearman", least=0.90),
)


def aims_table(rows: Mapping[str, Estimates]) -> Table:
    """What was aimed at, and what was reached; reconstruction beside it in the row with the largest latent too."""
    shown = []
    for aim in AIMS:
        names = [
            aim.row,
            *(one for one in rows if one.startswith(f"{aim.row},") and aim.key in ("partials", "tremolo")),
        ]
        for name in names:
            if (value := rows.get(name, {}).get(aim.key, MISSING)).known:
                number = float(value)
                reached = number >= aim.least if aim.least is not None else number <= (aim.most or 0.0)
                wanted = f"≥ {aim.least:.2f}" if aim.least is not None else f"≤ {aim.most:.2f}"
                shown.append((aim.what, name, value, wanted, "yes" if reached else "no"))
    columns = [
        column("model", [one[1] for one in shown], words=True),
        column("figure", [one[2] for one in shown], decimals=2),
        column("aim", [one[3] for one in shown]),
        column("reached", [one[4] for one in shown], words=True),
    ]
    return Table("aims", "what", [one[0] for one in shown], columns)


def claims_table(rows: Mapping[str, Estimates]) -> Table:
    found = claims(rows)
    columns = [
        column("here", [one.figures for one in found], words=True),
        column("the claim", [one.verdict for one in found], words=True),
    ]
    return Table("claims", "claim of the paper", [one.claim for one in found], columns)


# ── the report ────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(
    trained: Sequence[Trained],
    models: Sequence[Autoencoder],
    clouds: Sequence[Cloud],
    study: LatentStudy,
    folder: Path,
    *,
    remarks: Sequence[str] = (),
    waiting: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    animations: Sequence[str] = (),
    inversion: str = "",
) -> None:
    """Writes `report.md`, `.html` and `.json` with figures, and the page to turn the latents in.

    Args:
        trained: every model.
        models, clouds: those that are drawn side by side.
        study: that measured them.
        folder: made if need be.
        remarks: on what is less than planned.
        waiting: titles of models that are not trained yet.
        facts: of each model's run.
        animations: names of files in the folder.
        inversion: what sounds were made by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_page(clouds, folder / latent_report.PAGE, title=f"Latents of {study.notes.corpus.name}", seed=study.seed)
    rows = over_seeds(trained)
    listed, singles = list(rows.items()), [(one.title, one.figures.estimates()) for one in trained]
    table = latent_report.figures_table
    real = trained[0].figures.accuracy[:2] if trained else ()
    data = {
        "rows": {row: {key: _plain(one) for key, one in found.items()} for row, found in rows.items()},
        "models": {one.title: one.figures.to_json() for one in trained},
        "claims": [one._asdict() for one in claims(rows)],
        "waiting": list(waiting),
    }
    drawn = latent_report.drawings(models, clouds, study.held_out, seed=study.seed) if models else {}
    with_both = [row for row, one in rows.items() if {"leakage_style", "swap_style"} <= one.keys()]
    if len(with_both) > 1:
        drawn["control"] = partial(_control, rows, with_both)
    write_report(
        folder, "ablation.jinja", data, package=PACKAGE, figures=drawn, page=latent_report.PAGE,
        seeds=max((sum(one.row == row for one in trained) for row in rows), default=0),
        claims=claims_table(rows), aims=aims_table(rows), latent=table("latent", listed, latent_report.LATENT),
        copies=table("copies", listed, latent_report.COPIES), samples=table("samples", listed, latent_report.SAMPLES),
        styles=table("styles", listed, latent_report.STYLES),
        singles=[
            table(f"each-{name}", singles, group)
            for name, group in (("latent", latent_report.LATENT), ("copies", latent_report.COPIES),
                                ("samples", latent_report.SAMPLES), ("styles", latent_report.STYLES))
        ],
        leakage=latent_report.leakage_table("leakage", [one.figures for one in trained]),
        real=latent_report.accuracy_table("real", real), split=study.split,
        inversions=[
            (one.row, latent_report.inversion_table(f"inversions-{n}", one.figures.inversions))
            for n, one in enumerate(trained) if one.figures.inversions
        ],
        points=[(row, *(written(rows[row][key], 2) for key in ("leakage_style", "swap_style"))) for row in with_both],
        octaves=", ".join(map(str, study.octaves)), inversion=inversion, remarks=list(remarks), waiting=list(waiting),
        sounds=latent_report.examples(models, study, folder) if models else {}, animations=list(animations),
        warnings=list(study.notes.warnings), facts=facts_table("facts", facts or {}),
    )  # fmt: skip


def _plain(one: Estimate) -> dict[str, float | None]:
    low, high = one.interval or (None, None)
    return {"value": float(one), "low": low, "high": high}


def _control(rows: Mapping[str, Estimates], shown: Sequence[str]) -> "Figure":
    """How much style the latent holds, against how far the style that is set is followed."""
    drawing = figures.canvas(4.0)
    axes = drawing.add_subplot()
    dots = [
        Dot(figures.series(n), rows[row]["leakage_style"], rows[row]["swap_style"], row) for n, row in enumerate(shown)
    ]
    figures.dots(axes, dots)
    axes.set_xlabel("leakage of style (further left is better)")
    axes.set_ylabel("new style recognised, share of A* ↑")
    axes.margins(y=0.12)
    figures.legend(drawing, axes)
    return drawing
