"""`darktimbre experiment`: sounds → tags → every arm trained → one evaluation; stopped anywhere, it goes on there."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darktimbre.cli.experiment_plan import TEMPERATURES, WEIGHTS

if TYPE_CHECKING:
    from darktimbre.cli.experiment_plan import Experiment
    from darktimbre.cli.experiment_runs import Run
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.teachers.tagger import Tagger

GRID, LOSSES = (",".join(f"{number:g}" for number in numbers) for numbers in (TEMPERATURES, WEIGHTS))
SOUNDS, MACHINE, JUDGING = "Sounds and teacher", "Machine", "The evaluation at the end"
PAPER, DIVERSITY = "darkgan-paper", "mode-seeking"


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            help="darkgan-paper: the grid of DarkGAN (ISMIR 2021), §5. mode-seeking: variety of the sounds against "
            "their quality, with and without the mode-seeking loss (Mao et al. 2019) and other means."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    scale: Annotated[
        str,
        typer.Option(
            help="small: about an hour of one processor core an arm. paper: the paper's sizes, a GPU, days an arm."
        ),
    ] = "small",
    temperatures: Annotated[
        str, typer.Option(help="T of the soft labels, one DarkGAN each.", rich_help_panel=PAPER)
    ] = GRID,
    runs: Annotated[
        Path, typer.Option(help="Where runs (and rendered sounds) are cached, by a digest of all they follow from.")
    ] = Path("runs/experiments"),
    gansynth: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE", help="Folder of a trained GANSynth of yours, as one more row.", rich_help_panel=PAPER
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="The GAN whose arms are compared; by default the scale's DarkGAN.", rich_help_panel=DIVERSITY
        ),
    ] = None,
    weights_of_loss: Annotated[
        str,
        typer.Option("--mode-seeking", help="Weights of the loss, an arm each.", rich_help_panel=DIVERSITY),
    ] = LOSSES,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            help="Trained bundle that every arm goes on from; by default one warm start is made for all.",
            rich_help_panel=DIVERSITY,
        ),
    ] = None,
    notes: Annotated[
        int | None,
        typer.Option(min=1, help="Notes of each arm's game; by default the recipe's.", rich_help_panel=DIVERSITY),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE", help="A trained one to judge by, instead of training it.", rich_help_panel=DIVERSITY
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="End this sitting's training after so long; the same command goes on. Rendering, tagging and "
            "evaluating are not cut short.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the arms, what is cached and the time each takes; do nothing.")
    ] = False,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Real notes of 1 s; by default rendered from a SoundFont.", rich_help_panel=SOUNDS),
    ] = None,
    soundfont: Annotated[
        Path | None,
        typer.Option(help="What to render from; by default FluidR3, where installed.", rich_help_panel=SOUNDS),
    ] = None,
    teacher: Annotated[
        str, typer.Option(help="yamnet, cnn14, cnn14-16k or embedded.", rich_help_panel=SOUNDS)
    ] = "yamnet",
    weights: Annotated[
        Path | None, typer.Option(help="Its weights file, instead of the one kept.", rich_help_panel=SOUNDS)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer notes than the paper's.", rich_help_panel=JUDGING)
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="COUNT=N", help="A count, such as notes=3000.", rich_help_panel=JUDGING),
    ] = None,
    no_fad: Annotated[
        bool,
        typer.Option("--no-fad", help="Leave FAD out where the notes are too few for it.", rich_help_panel=JUDGING),
    ] = False,
    no_card: Annotated[
        bool,
        typer.Option("--no-card", help="Do not write the figures into the bundles' cards.", rich_help_panel=JUDGING),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the evaluation.", rich_help_panel=JUDGING)] = 0,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=MACHINE)] = "auto",
) -> None:
    """Train and compare everything that a published table needs, from one corpus and one store of tags.

    Finished runs are taken as they are and half-finished ones go on, so the same command may be stopped at any moment
    and given again.

    Example: darktimbre experiment darkgan-paper --scale small --temperatures 1,2 --out reports/paper
    """
    from darktimbre import teachers
    from darktimbre.cli import experiment_checks as checks
    from darktimbre.cli import experiment_plan as plan
    from darktimbre.cli import experiment_steps as steps
    from darktimbre.cli.console import INTERRUPTED, caution, say
    from darktimbre.cli.evaluate import counts_of, evaluate_bundles
    from darktimbre.cli.experiment_runs import guess, runs_of
    from darktimbre.cli.train import listening_on
    from darktimbre.evaluation.profile import PAPER, QUICK

    ends = None if minutes is None else time.monotonic() + 60 * minutes
    checks.refuse_accelerator(accelerator)
    counts, device = counts_of(set_ or []), listening_on(accelerator)
    profile = (QUICK if quick else PAPER).with_counts(counts)
    font = steps.soundfont_at_hand(soundfont)
    choices = plan.Choices(
        scale,
        teacher,
        plan.temperatures_of(temperatures),
        gansynth=gansynth is not None,
        renders=corpus is None or soundfont is not None,
        recipe=recipe,
        start=start,
        notes=notes,
        classifier=classifier is not None,
        weights=plan.weights_of(weights_of_loss),
    )
    chosen = plan.experiment_of(name, choices)
    places = steps.places(chosen, corpus, font, runs)
    guest = checks.guest_at(gansynth) if gansynth else None
    try:
        say(f"{chosen.name}: {chosen.says}.")
        for remark in chosen.remarks:
            caution(remark)
        if dry_run:
            corpora = _there(chosen, places, corpus is not None)
        else:
            tagger = teachers.load(teacher, device=device, weights=weights)  # what is missing is said at once
            corpora = _sounds(chosen, places, corpus is not None, font, tagger)
        found = runs_of(chosen.arms, corpora, runs)
        if not dry_run:
            judged = corpora[chosen.sounds[0].name]
            assert judged is not None
            checks.refuse_what_cannot_be_judged(
                found, guest, judged, tagger, profile, fad=not no_fad, seed=seed, classifier=classifier
            )
        guess(found, device)
        show(found)
        if dry_run:
            say(f"Nothing was done. The report would be written to {out}.")
            return
        _note(out, chosen, found)
        if not _trained(found, ends, accelerator):
            show(found)
            waiting = ", ".join(run.arm.title for run in found if not run.done)
            say(f"The time is up; the same command goes on with {waiting}, and evaluates when all are done.")
            return
        _note(out, chosen, found)
        if ends is not None and time.monotonic() >= ends:
            say("All arms are trained; the same command without --minutes evaluates.")
            return
        say("All arms are trained: the evaluation begins.")
        judge = classifier or next((run.bundle for run in found if run.arm.role == "classifier"), None)
        rows = [(run.arm.title, run.bundle) for run in found if run.arm.role == "instrument"]
        if chosen.report == "diversity":
            from darktimbre.cli.experiment_diversity import compare

            compare(
                rows, places[chosen.sounds[0].name], out, teacher=teacher, weights=weights, classifier=judge,
                profile=profile, fad=not no_fad, seed=seed, device=device, remarks=chosen.remarks,
                runs=[run.to_json() for run in found],
            )  # fmt: skip
            return
        rows += [plan.titled(guest)] if guest else []
        evaluate_bundles(
            rows, places[chosen.sounds[0].name], out, teacher=teacher, weights=weights, classifier=judge,
            quick=quick, counts=counts, fad=not no_fad, card=not no_card, seed=seed, device=device,
            remarks=chosen.remarks,
        )  # fmt: skip
    except KeyboardInterrupt:
        caution("Stopped; the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None


def _there(chosen: "Experiment", places: dict[str, Path], given: bool) -> dict[str, "Corpus | None"]:
    """The corpora that are there and tagged, for a dry run; None for those that are not."""
    from darktimbre.cli.console import say
    from darktimbre.cli.experiment_runs import digest_of, recipe_on
    from darktimbre.corpus.corpus import Corpus, is_corpus
    from darktimbre.notes.errors import UserError

    found: dict[str, Corpus | None] = {}
    for index, (name, place) in enumerate(places.items()):
        found[name] = None
        if not is_corpus(place) and (index or not given):
            say(f"The {name} would be rendered into {place} and tagged first.")
            continue
        corpus = Corpus.open(place)
        try:
            for arm in chosen.arms:
                if arm.sounds == name:
                    digest_of(recipe_on(arm, corpus), corpus)
            found[name] = corpus
        except UserError as error:
            say(f"The {name} would be made ready first: {error}")
    return found


def _sounds(
    chosen: "Experiment", places: dict[str, Path], given: bool, font: Path | None, tagger: "Tagger"
) -> dict[str, "Corpus | None"]:
    """Every corpus, rendered and tagged."""
    from darktimbre.cli import experiment_steps as steps

    found: dict[str, Corpus | None] = {}
    for index, sounds in enumerate(chosen.sounds):
        corpus = steps.render(places[sounds.name], sounds, font, made_here=index > 0 or not given)
        steps.tag(corpus, tagger, [arm for arm in chosen.arms if arm.sounds == sounds.name])
        found[sounds.name] = corpus
    return found


def _trained(runs: list["Run"], ends: float | None, accelerator: str) -> bool:
    """Trains what is not done, in order; whether all is done now, or the time was up.

    Raises:
        KeyboardInterrupt: on Ctrl-C, after the run's state is saved.
    """
    from darktimbre.cli.console import say
    from darktimbre.cli.experiment_runs import Whole, in_words, train_on

    todo = [run for run in runs if not run.done]
    paces: dict[str, float] = {}
    for place, run in enumerate(todo):
        left = None if ends is None else (ends - time.monotonic()) / 60
        if left is not None and left <= 0:
            return False
        later = todo[place + 1 :]
        told = in_words(paces, [(one, one.left()) for one in (run, *later)])
        say(f"{run.arm.title} ({len(runs) - len(todo) + place + 1} of {len(runs)}): {run.folder}; whole: {told}")
        whole = Whole(run, later, paces, say)
        outcome = train_on(run, whole, minutes=left, accelerator=accelerator, say=say)
        if outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if outcome.reason == "time" and not run.done:
            return False
    return True


def show(runs: list["Run"]) -> None:
    """The table of arms: what is done, half done, to do, and how long what is left takes."""
    from rich.table import Table

    from darktimbre.cli.console import console, say
    from darktimbre.training.progress import duration

    table = Table("arm", "state", "notes", "time left")
    for run in runs:
        left = "–" if run.done else f"about {duration(run.left())}"
        table.add_row(run.arm.title, run.state, f"{run.total:,}", left)
    console().print(table)
    for run in runs:
        if run.folder is not None:
            say(f"{run.arm.title}: {run.folder}")
    done = sum(run.done for run in runs)
    left = duration(sum(run.left() for run in runs))
    if done == len(runs):
        say(f"All {done} arms are trained.")
    else:
        say(f"{done} of {len(runs)} arms are done; the others take about {left} at this machine's speed just now.")


def _note(out: Path, chosen: "Experiment", runs: list["Run"]) -> None:
    """`experiment.json` beside the report: which runs it rests on."""
    from darktimbre.audio.atomic import atomic_file

    corpora = {run.arm.sounds: run.corpus for run in runs if run.corpus is not None}
    told = {
        "experiment": chosen.name,
        "remarks": list(chosen.remarks),
        "corpora": {name: {"path": str(one.path), "digest": one.digest} for name, one in corpora.items()},
        "runs": [run.to_json() for run in runs],
    }
    out.mkdir(parents=True, exist_ok=True)
    with atomic_file(out / "experiment.json") as temporary:
        temporary.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
