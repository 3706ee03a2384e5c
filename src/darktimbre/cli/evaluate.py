"""`darktimbre evaluate`: bundles × corpus × teacher → the paper's tables and figures, with error bars, in a report."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

if TYPE_CHECKING:
    from darktimbre.evaluation.pairing import Instrument
    from darktimbre.evaluation.results import Evaluation

JUDGES = "Who listens"


def evaluate(
    bundles: Annotated[
        list[str], typer.Argument(help="Instruments: folders, `starter` or hub ids; NAME=FOLDER names a row.")
    ],
    corpus: Annotated[Path, typer.Option(help="Real notes, tagged by the teacher.")],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    teacher: Annotated[
        str, typer.Option(help="The teacher that the instruments learnt from.", rich_help_panel=JUDGES)
    ] = "yamnet",
    weights: Annotated[
        Path | None, typer.Option(help="Its weights file, instead of the one kept.", rich_help_panel=JUDGES)
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(help="A classifier by `darktimbre train inception`: PIS, IIS, KID.", rich_help_panel=JUDGES),
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            help="Teacher or embedder that FAD is taken in (vggish, …); default: --teacher.", rich_help_panel=JUDGES
        ),
    ] = None,
    embedding_weights: Annotated[Path | None, typer.Option(help="Its weights file.", rich_help_panel=JUDGES)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer notes: some minutes an instrument.")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="COUNT=N", help="Change a count, such as notes=3000; may be repeated."),
    ] = None,
    no_fad: Annotated[bool, typer.Option("--no-fad", help="Leave FAD out where the notes are too few for it.")] = False,
    no_card: Annotated[
        bool, typer.Option("--no-card", help="Do not write the figures into the bundles' cards.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of notes, latents, subsets and resamples.")] = 0,
    device: Annotated[str, typer.Option(help="A torch device: cpu, cuda, …")] = "cpu",
) -> None:
    """Measure instruments as the DarkGAN paper does, beside real notes and an untrained network.

    Instruments that are steered by classes are judged by class instead, and need --classifier alone (`darktimbre train
    oneshot-classifier`).

    What was heard is kept in OUT/cache: a stopped evaluation goes on where it was, and another one of the same
    instruments begins with what is there.
    """
    chosen = [named(one) for one in bundles]
    if _all_of_one_shots(chosen):
        from darktimbre.cli.evaluate_one_shots import evaluate_one_shots

        evaluate_one_shots(
            [_instrument(*one, device) for one in chosen], corpus, out, classifier=classifier,
            counts=counts_of(set_ or []), quick=quick, seed=seed,
        )  # fmt: skip
        return
    evaluate_bundles(
        chosen,
        corpus,
        out,
        teacher=teacher,
        weights=weights,
        classifier=classifier,
        embedding=embedding,
        embedding_weights=embedding_weights,
        quick=quick,
        counts=counts_of(set_ or []),
        fad=not no_fad,
        card=not no_card,
        seed=seed,
        device=device,
    )


def named(text: str) -> tuple[str, str]:
    """`NAME=FOLDER` → both; of a folder alone, which may hold an equals sign itself, the name is empty."""
    if Path(text).is_dir():
        return "", text
    name, equals, place = text.partition("=")
    return (name.strip(), place.strip()) if equals else ("", text)


def counts_of(texts: Sequence[str]) -> dict[str, int]:
    """`notes=3000` … → counts.

    Raises:
        UserError: not of that form.
    """
    from darktimbre.notes.errors import UserError

    counts = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            counts[name.strip()] = int(value)
        except ValueError:
            raise UserError(f"--set wants COUNT=N with a whole number, such as notes=3000, not {text!r}.") from None
    return counts


def evaluate_bundles(
    bundles: Sequence[tuple[str, Path | str]],
    corpus: Path,
    out: Path,
    *,
    teacher: str,
    weights: Path | None = None,
    classifier: Path | None = None,
    embedding: str | None = None,
    embedding_weights: Path | None = None,
    quick: bool = False,
    counts: dict[str, int] | None = None,
    fad: bool = True,
    card: bool = True,
    seed: int = 0,
    device: str = "cpu",
    remarks: Sequence[str] = (),
) -> "Evaluation":
    """Evaluates (name, bundle) pairs and writes the report into `out`; an empty name takes the recipe's.

    `remarks` are told with what was left out.

    Raises:
        UserError: they do not go together; the sentence says what to do.
    """
    from darktimbre import teachers
    from darktimbre.bundle.classifier import Classifier
    from darktimbre.cli.console import say
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.evaluation import report
    from darktimbre.evaluation.pairing import Judges
    from darktimbre.evaluation.profile import PAPER, QUICK
    from darktimbre.evaluation.study import Study
    from darktimbre.teachers.tagger import Embedder

    profile = (QUICK if quick else PAPER).with_counts(counts or {})
    instruments = [_instrument(name, place, device) for name, place in bundles]
    tagger = teachers.load(teacher, device=device, weights=weights)
    embedder: Embedder = tagger
    if embedding is not None and embedding != teacher:
        embedder = teachers.load_embedder(embedding, device=device, weights=embedding_weights)
    judges = Judges(tagger, embedder, Classifier.from_pretrained(classifier) if classifier else None)
    out.mkdir(parents=True, exist_ok=True)
    with Telling() as telling:
        study = Study(
            instruments, Corpus.open(corpus), judges, out, profile=profile, seed=seed, fad=fad, progress=telling.heard
        )
        telling.begin(study.workload())
        found = study.run()
    found = replace(found, left_out=(*remarks, *found.left_out))
    report.write(found, out)
    if card:
        write_cards(found, {one.name: one.path for one in instruments})
    say(f"The report is in {out / 'report.html'}; the same as {out / 'report.md'} and {out / 'report.json'}.")
    return found


def _instrument(name: str, place: Path | str, device: str) -> "Instrument":
    from darktimbre.evaluation.pairing import Instrument
    from darktimbre.synthesizer.synthesizer import Synthesizer

    player = Synthesizer.from_pretrained(place, device=device)
    path = Path(place)
    recipe = (player.bundle.config.get("recipe") or {}).get("name")
    return Instrument(name or str(recipe or path.name), player, path if path.is_dir() else None)


def _all_of_one_shots(bundles: Sequence[tuple[str, Path | str]]) -> bool:
    """Whether all are steered by classes, or by nothing: no teacher has anything to say of them then."""
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.evaluation.one_shots import is_of_one_shots

    return all(is_of_one_shots(Bundle.from_pretrained(place).attributes) for _, place in bundles)


def write_cards(found: "Evaluation", places: dict[str, Path | None]) -> None:
    """The figures → metrics and model card of every bundle that is a folder here; all else in it stays as it is.

    Figures of fewer notes do not replace those of more.
    """
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.cli.console import caution
    from darktimbre.evaluation.card import card_metrics

    for system in found.systems:
        if (place := places.get(system.name)) is None:
            continue
        bundle, told = Bundle.from_pretrained(place), card_metrics(system, found)
        metrics = bundle.config.setdefault("metrics", {})
        before = metrics.get("evaluation") or {}
        if before.get("corpus") == told["corpus"] and before.get("notes", 0) > told["notes"]:
            caution(f"The card of {system.name} keeps its figures of {before['notes']:,} notes: there are fewer now.")
            continue
        metrics["evaluation"] = told
        bundle.save_card(place)


class Telling:
    """Progress of an evaluation: a bar on a terminal, else a line where a part begins; with the time left."""

    def __init__(self) -> None:
        from darktimbre.cli.console import progress_bar

        self._bar = progress_bar("notes")
        self.stage, self.done, self.whole = "", 0, 0

    def __enter__(self) -> Self:
        self._progress = self._bar.__enter__()
        self._task = self._progress.add_task("preparing", total=None)
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def begin(self, whole: int) -> None:
        """Notes that will be heard at most."""
        self.whole, self._started = whole, time.monotonic()
        self._progress.reset(self._task, total=whole)

    def heard(self, stage: str, notes: int) -> None:
        """So many more notes of one part were heard."""
        if stage != self.stage and not sys.stderr.isatty():
            spent = time.monotonic() - self._started
            left = f", about {spent / self.done * (self.whole - self.done) / 60:.0f} min left" if self.done else ""
            print(
                f"{self.done:,} of at most {self.whole:,} notes heard{left}; now: {stage}", file=sys.stderr, flush=True
            )
        self.stage, self.done = stage, self.done + notes
        self._progress.update(self._task, description=stage, completed=self.done)
