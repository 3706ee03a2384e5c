"""The command line's entry: `darktimbre VERB …`. A verb's file is imported when it is called, so that help is quick."""

import importlib
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from darktimbre.cli import allocator, console

SOUNDS, TEACHER, TRAINING, JUDGING = "Sounds in", "Teacher", "Training", "Judging"
PLAYING, HOUSE = "Playing", "House"


class Verb(NamedTuple):
    """One verb: where it is and what the overview says of it."""

    name: str
    target: str  # module:attribute; a function is a command, a Typer app a group of them
    panel: str
    help: str


VERBS = (
    Verb("render", "darktimbre.cli.render:render", SOUNDS, "Make a corpus of notes from SoundFonts."),
    Verb("import", "darktimbre.cli.import_:app", SOUNDS, "Make a corpus of a folder of sounds, NSynth, or digits."),
    Verb("info", "darktimbre.cli.info:info", SOUNDS, "Tell and draw what is in a corpus."),
    Verb("weights", "darktimbre.cli.weights:app", TEACHER, "List, fetch, add and verify the weights of teachers."),
    Verb("tag", "darktimbre.cli.tag:tag", TEACHER, "Let a teacher listen to a corpus and store what it hears."),
    Verb("attributes", "darktimbre.cli.attributes:attributes", TEACHER, "Choose the attributes worth steering."),
    Verb("train", "darktimbre.cli.train:train", TRAINING, "Train an instrument by a recipe."),
    Verb("evaluate", "darktimbre.cli.evaluate:evaluate", JUDGING, "Measure instruments as the paper does."),
    Verb(
        "experiment",
        "darktimbre.cli.experiment:experiment",
        JUDGING,
        "Train and compare all that a paper's tables need.",
    ),
    Verb("play", "darktimbre.cli.play:play", PLAYING, "Play an instrument in the browser."),
    Verb("synth", "darktimbre.cli.synth:app", PLAYING, "Play an instrument into sound files."),
    Verb(
        "export",
        "darktimbre.cli.export:app",
        PLAYING,
        "Put an instrument's sounds, or its network, where musicians work.",
    ),
    Verb("quickstart", "darktimbre.cli.quickstart:quickstart", HOUSE, "From nothing to sounds in some minutes."),
    Verb("bench", "darktimbre.cli.bench:app", HOUSE, "Measure how fast an instrument plays here."),
    Verb("doctor", "darktimbre.cli.doctor:doctor", HOUSE, "Tell what is installed, what is missing, and the remedy."),
)


def load(verb: Verb) -> Any:
    """The verb's real command."""
    module, attribute = verb.target.split(":")
    target = getattr(importlib.import_module(module), attribute)
    alone = typer.Typer(add_completion=False)
    if not isinstance(target, typer.Typer):
        alone.command(verb.name)(target)
        return typer.main.get_command(alone)
    alone.add_typer(target, name=verb.name)
    return typer.main.get_group(alone).commands[verb.name]


class Flow(TyperGroup):
    """The group of all verbs, in the order of the flow; the overview needs none of their files."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for verb in VERBS:
            self.commands[verb.name] = TyperCommand(verb.name, help=verb.help, rich_help_panel=verb.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The verb called, loaded; an unknown one ends in a message that suggests the nearest."""
        name, stub, rest = super().resolve_command(ctx, args)
        verb = next((verb for verb in VERBS if verb.name == name), None)
        return name, stub if verb is None else load(verb), rest

    def invoke(self, ctx: Any) -> Any:
        """Runs the verb; what the user can mend ends in one sentence."""
        with console.sentences():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Flow,
    name="darktimbre",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `darktimbre quickstart`, or play the instrument that came along: `darktimbre play starter`.",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        console.say(f"darktimbre {console.version()}")
        raise typer.Exit


@app.callback()
def overview(
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_tell_version, help="Tell the version."),
) -> None:
    """Turn any pile of sounds into an instrument that you steer with words.

    Sounds in → a teacher tags them → a network learns to make sounds from pitch and tags → you play it.
    """


def main() -> None:
    """Tunes the allocator while nothing large is in memory yet, then runs the verb."""
    allocator.tune()
    app()


if __name__ == "__main__":
    main()
