"""`darktimbre quickstart`: notes → tags → training → report → sounds; broken off at any moment, it goes on there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from darktimbre.cli.quickstart_state import Settings, State

STEPS = 5


def quickstart(
    run: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path("runs/quickstart"),
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to train.")] = 5.0,
    notes: Annotated[int, typer.Option(min=50, help="About how many notes to render.")] = 3000,
    teacher: Annotated[
        str | None, typer.Option(help="Who tags the notes; yamnet where its weights are kept, else embedded.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A weights file of that teacher (of yamnet, if none is named).")
    ] = None,
    builtin: Annotated[bool, typer.Option("--builtin", help="Play the built-in orchestra, not FluidSynth.")] = False,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin from random weights, not from the starter.")
    ] = False,
    recipe: Annotated[str, typer.Option(help="What to train: a recipe's name or a YAML file.")] = "darkgan-small",
) -> None:
    """From nothing to an instrument and its sounds: render, tag, train, report, play.

    Broken off at any moment, the same command goes on where it was; with a larger --minutes it trains on.
    """
    from darktimbre.cli import quickstart_steps as steps
    from darktimbre.cli.console import INTERRUPTED, caution, say
    from darktimbre.cli.quickstart_state import State

    wanted = _settings(notes, teacher, weights, builtin, from_scratch, recipe)
    state = State.find(run)
    if state is None:
        state = State(run, _complete(wanted))
        state.settings.resolved()  # a recipe that cannot be read is said before anything is made
        state.save()
    else:
        _refuse_other(state, wanted)
    try:
        heading(1, f"Notes, played by {_player(state.settings)}")
        corpus = steps.render(state)
        heading(2, f"Tags, by {state.settings.teacher}")
        tagger = steps.load_teacher(state.settings)
        steps.tag(state, corpus, tagger)
        heading(3, f"Training {state.settings.recipe} for {minutes:g} minutes")
        outcome = steps.train(state, minutes)
        if outcome is not None and outcome.reason == "interrupted":
            raise KeyboardInterrupt
        heading(4, "Report: the instrument is asked for notes it has never heard")
        report = steps.judge(state, corpus, tagger)
        heading(5, "Sounds")
        count = steps.play(state, report)
    except KeyboardInterrupt:
        caution("Stopped; the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    show(report)
    say(f"{count} sounds: {state.sounds}; spectrograms: {state.picture}; figures: {state.report}")
    say(f"The instrument is {state.bundle}: play more of it with `darktimbre synth random {state.bundle} OUT`.")


def heading(number: int, text: str) -> None:
    """One line that says which step begins."""
    from darktimbre.cli.console import console

    console().print(f"{number}/{STEPS}  {text}", style="bold", markup=False)


def show(report: dict[str, Any]) -> None:
    """The report as a table and two sentences."""
    from rich.table import Table

    from darktimbre.cli.console import console, say

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    real = report["real"]
    table = Table("", "pitch accuracy", "attribute correlation", "of logits", title=f"{report['notes']} held-out notes")
    for name in ("trained", "starter", "untrained", "real"):
        if name in report:
            told = report[name]
            table.add_row(
                name, *(number(told[key]) for key in ("pitch_accuracy", "attribute_correlation", "logit_correlation"))
            )
    if (same := real["same_instrument_correlation"]) is not None:
        table.add_row("real, same instrument", "–", number(same), "–")
    console().print(table)
    trained = report["trained"]
    if real["pitch_accuracy"]:
        share = trained["pitch_accuracy"] / real["pitch_accuracy"]
        say(f"In tune (within 50 cents, by YIN) as often as {share:.0%} of what real notes reach.")
    if report["attributes"]:
        best = ", ".join(
            f"{row['name']} {row['correlation']:.2f}" for row in report["attributes"][:4] if row["correlation"]
        )
        say(f"Followed best: {best}." + _constant(trained["attributes_constant"]))
    say(report["held_out"])


def _constant(count: int) -> str:
    return f" {count} attribute(s) do not vary and are not counted." if count else ""


def _settings(
    notes: int, teacher: str | None, weights: Path | None, builtin: bool, from_scratch: bool, recipe: str
) -> dict[str, Any]:
    """What the options say; None where they leave it open."""
    from darktimbre.cli.quickstart_state import BUILTIN

    return {
        "notes": notes,
        "sounds": BUILTIN if builtin else None,
        "recipe": recipe,
        "teacher": teacher or ("yamnet" if weights else None),
        "weights": str(weights.resolve()) if weights else None,
        "from_scratch": from_scratch,
    }


def _complete(wanted: dict[str, Any]) -> "Settings":
    """The settings of a new quickstart: what is left open is what is at hand."""
    from darktimbre.cli import quickstart_steps as steps
    from darktimbre.cli.console import caution
    from darktimbre.cli.quickstart_state import BUILTIN, Settings

    sounds, why = (wanted["sounds"], "") if wanted["sounds"] else steps.sounds_at_hand()
    if why:
        caution(f"{why[0].upper()}{why[1:]}: the notes are played by the {BUILTIN}.")
    teacher = wanted["teacher"] or steps.teacher_at_hand()
    return Settings(**{**wanted, "sounds": sounds, "teacher": teacher, "weights": wanted["weights"] or ""})


def _refuse_other(state: "State", wanted: dict[str, Any]) -> None:
    """Going on with other options would mix two quickstarts in one folder."""
    from dataclasses import asdict

    from darktimbre.notes.errors import UserError

    begun = asdict(state.settings)
    other = [
        f"{key.replace('_', ' ')} {begun[key]}, not {value}"
        for key, value in wanted.items()
        if value not in (None, begun[key])
    ]
    if other:
        raise UserError(
            f"{state.folder} was begun with {'; '.join(other)}: give the same options, or another folder with --run."
        )


def _player(settings: "Settings") -> str:
    from darktimbre.cli.quickstart_state import BUILTIN

    return f"the {BUILTIN}" if settings.sounds == BUILTIN else f"FluidSynth ({Path(settings.sounds).name})"
