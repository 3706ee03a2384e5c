"""`darktimbre quickstart`: notes → tags → training → report → sounds; interruptible, the same command resumes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from darktimbre.cli import console
from darktimbre.notes.text import quoted
from darktimbre.pipelines import quickstart as pipeline


def quickstart(
    run: Annotated[Path, Option(help="Folder for everything that is made.")] = Path("runs/quickstart"),
    minutes: Annotated[float, Option(min=0.01, help="How long to train.")] = 5.0,
    notes: Annotated[int, Option(min=50, help="About how many notes to render.")] = 3000,
    teacher: Annotated[
        str | None, Option(help="Who tags the notes; yamnet where its weights are kept, else embedded.")
    ] = None,
    weights: Annotated[
        Path | None, Option(help="A weights file of that teacher (of yamnet, if none is named).")
    ] = None,
    builtin: Annotated[bool, Option("--builtin", help="Use the built-in orchestra, not FluidSynth.")] = False,
    from_scratch: Annotated[
        bool, Option("--from-scratch", help="Start from random weights, not from the starter.")
    ] = False,
    recipe: Annotated[str, Option(help="What to train: a recipe's name or a YAML file.")] = "darktimbre-teacher",
) -> None:
    """From nothing to an instrument and its sounds: render, tag, train, keep the better, report, play.

    What is trained goes on from the starter; where it is no better on held-out notes, the starter is kept.
    Interruptible; run the same command to resume. With a larger --minutes it trains on.
    """
    given = {
        "notes": notes,
        "sounds": pipeline.BUILTIN if builtin else None,
        "recipe": recipe,
        "teacher": teacher or ("yamnet" if weights else None),
        "weights": str(weights.resolve()) if weights else None,
        "from_scratch": from_scratch,
    }
    started = pipeline.Quickstart.start_or_resume(run, given, console)
    try:
        report = started.run(minutes)
    except KeyboardInterrupt:
        console.warn("Stopped; run the same command to resume.")
        raise typer.Exit(console.INTERRUPTED) from None
    show(report, started.seconds["train"])
    count, bundle = len(list(started.sounds.glob("*.wav"))), started.kept
    console.say(f"{count} sounds: {started.sounds}; spectrograms: {started.spectrograms}; figures: {started.report}")
    console.say(f"The instrument is {bundle}: play more of it with `darktimbre synth random {quoted(bundle)} OUT`.")


def show(report: dict[str, Any], seconds: float) -> None:
    """The report as a table and some sentences; `seconds` were spent on training."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    real, kept = report["real"], report[report["kept"]]
    figures = ("pitch_accuracy", "attribute_correlation", "logit_correlation", "probe_correlation")
    rows = [
        [name, *(number(report[name][figure]) for figure in figures)]
        for name in ("trained", "starter", "untrained", "real")
        if name in report
    ]
    if (same := real["same_instrument_correlation"]) is not None:
        rows.append(["real, same instrument", "–", number(same), "–", "–"])
    headings = ("", "pitch accuracy", "attribute correlation", "of logits", "by the probe")
    console.table(headings, rows, title=f"{report['notes']} held-out notes")
    if real["pitch_accuracy"]:
        share = kept["pitch_accuracy"] / real["pitch_accuracy"]
        console.say(f"In tune (within 50 cents, by YIN) as often as {share:.0%} of what real notes reach.")
    if report["attributes"]:
        first = [row for row in report["attributes"][:4] if row["correlation"]]
        best = ", ".join(f"{row['name']} {row['correlation']:.2f}" for row in first)
        constant = kept["attributes_constant"]
        left_out = f" {constant} attribute(s) do not vary and are not counted." if constant else ""
        console.say(f"Followed best: {best}.{left_out}")
    console.say(report["held_out"])
    console.say(f"Training saw {report['notes_seen']:,} notes in {seconds / 60:.1f} minutes. {report['why']}")
