"""The command line's entry: `darktimbre VERB …`. A verb's file is imported when it is called, so that help is quick."""

import importlib
import os
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from darktimbre import __version__
from darktimbre.cli import allocator, console
from darktimbre.cli.lazy import lazy_rooms
from darktimbre.notes import home

# How verbs import. A verb's file imports the modules it calls at its top, as any file does, but whole:
# `from darktimbre.synthesizer import sound_files`, then `sound_files.render_scale(…)`. `load` below imports the file
# inside `lazy_rooms`, which puts off every such module until one of its functions is called; torch is thus loaded by
# `darktimbre synth scale …`, not by `darktimbre synth scale --help`. To import a name from a module, not the module,
# works too but loads it at once. (Python 3.15 says the same by `lazy from … import …`.)

SOUNDS, TEACHER, TRAINING, EVALUATION = "Sounds in", "Teacher", "Training", "Evaluation"
PLAYING, SETUP = "Playing", "Set-up"


class Verb(NamedTuple):
    """One verb: where it is and what the overview says of it."""

    name: str
    target: str  # module:attribute; a function is a command, a Typer app a group of them
    panel: str
    help: str


VERBS = (
    Verb("render", "render:render", SOUNDS, "Make a corpus of notes from SoundFonts."),
    Verb("import", "import_:app", SOUNDS, "Make a corpus of a folder of sounds, NSynth, or digits."),
    Verb("augment", "augment:augment", SOUNDS, "Add copies of a corpus's notes with other timbres."),
    Verb("info", "info:info", SOUNDS, "Print and draw what is in a corpus."),
    Verb("weights", "weights:app", TEACHER, "List, fetch, add and verify the weights of teachers."),
    Verb("tag", "tag:tag", TEACHER, "Predict a teacher's logits for every note of a corpus and store them."),
    Verb("attributes", "attributes:attributes", TEACHER, "Choose the attributes worth steering."),
    Verb("train", "train:train", TRAINING, "Train an instrument by a recipe."),
    Verb("evaluate", "evaluate:evaluate", EVALUATION, "Measure instruments as the paper does."),
    Verb("latents", "latents:latents", EVALUATION, "Look at what autoencoders' codes hold, and measure it."),
    Verb("dissect", "dissect:app", EVALUATION, "Look at what networks learned, and make sliders of it."),
    Verb("experiment", "experiment:experiment", EVALUATION, "Train and compare all that a paper's tables need."),
    Verb("play", "play:play", PLAYING, "Play an instrument in the browser."),
    Verb("synth", "synth:app", PLAYING, "Play an instrument into sound files."),
    Verb("export", "export:app", PLAYING, "Put an instrument's sounds, or its network, where musicians work."),
    Verb("hub", "hub:app", PLAYING, "Share an instrument on the Hugging Face hub."),
    Verb("quickstart", "quickstart:quickstart", SETUP, "From nothing to sounds in some minutes."),
    Verb("bench", "bench:app", SETUP, "Measure how fast an instrument plays here."),
    Verb("doctor", "doctor:doctor", SETUP, "Print what is installed, what is missing, and the remedy."),
)


def load(verb: Verb) -> Any:
    """The verb's real command."""
    module, attribute = verb.target.split(":")
    with lazy_rooms():
        target = getattr(importlib.import_module(f"darktimbre.cli.{module}"), attribute)
    alone = typer.Typer(add_completion=False)
    if not isinstance(target, typer.Typer):
        alone.command(verb.name)(target)
        return typer.main.get_command(alone)
    alone.add_typer(target, name=verb.name)
    return typer.main.get_group(alone).commands[verb.name]


class Verbs(TyperGroup):
    """The group of all verbs, in the order of their use; the overview needs none of their files."""

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
    cls=Verbs,
    name="darktimbre",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `darktimbre quickstart`, or play the instrument that comes with it: `darktimbre play starter`.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.say(f"darktimbre {__version__}")
        raise typer.Exit


@app.callback()
def overview(
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_print_version, help="Print the version."),
) -> None:
    """Turn any pile of sounds into an instrument that you steer with words.

    Sounds in → a teacher tags them → a network learns to make sounds from pitch and tags → you play it.
    """


def main() -> None:
    """Makes the streams ready, tunes the allocator while nothing large is in memory yet, then runs the verb."""
    console.prepare_streams()
    os.environ.setdefault("MPLCONFIGDIR", str(home.home() / "matplotlib"))  # its list of fonts; else below ~/.cache
    allocator.tune()
    try:
        app()
    finally:
        console.flush_streams()


if __name__ == "__main__":
    main()
