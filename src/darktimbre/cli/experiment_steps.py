"""The sounds of an experiment before anything is trained: rendered, tagged, attributes chosen, each once."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from darktimbre.cli.console import progress_bar, say
from darktimbre.cli.experiment_plan import Arm, Experiment, Sounds
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.teachers.tagger import Tagger

RATE = 16_000  # Hz


def soundfont_at_hand(given: Path | None) -> Path | None:
    """The SoundFont that sounds would be rendered from: the one given, else one that the system has."""
    from darktimbre.corpus.soundfont import installed_soundfonts

    if given is not None:
        return given
    return next(iter(installed_soundfonts()), None)


def places(experiment: Experiment, given: Path | None, soundfont: Path | None, runs: Path) -> dict[str, Path]:
    """Where each corpus of an experiment is, or will be; the name of one to be rendered says all that it follows from.

    Raises:
        UserError: nothing is given and there is no SoundFont to render from.
    """
    font: bytes | None = None
    found = {}
    for index, sounds in enumerate(experiment.sounds):
        if index == 0 and given is not None:
            found[sounds.name] = given
        elif soundfont is None:
            raise UserError(
                "No --corpus is given, and the system has no SoundFont to render one from: `apt install fluidsynth "
                "fluid-soundfont-gm` brings one, or give --soundfont FILE, or a --corpus made by `darktimbre render` "
                "or `darktimbre import`."
            )
        else:
            font = font or _digest(soundfont)
            asked = repr((sounds.seconds, sounds.pitches, sounds.velocities, RATE))
            key = hashlib.sha256(font + asked.encode()).hexdigest()[:12]
            found[sounds.name] = runs / "corpora" / f"{soundfont.stem}-{sounds.seconds:g}s-{key}"
    return found


def _digest(soundfont: Path) -> bytes:
    try:
        with soundfont.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").digest()
    except OSError as error:
        raise UserError(f"The SoundFont {soundfont} cannot be read ({error.strerror}): give another.") from None


def render(path: Path, sounds: Sounds, soundfont: Path | None, *, made_here: bool) -> "Corpus":
    """The corpus at `path`, rendered where it is to be made here and is not there yet.

    Raises:
        UserError: a corpus given is none; FluidSynth is missing.
    """
    from darktimbre.corpus.corpus import Corpus, is_corpus
    from darktimbre.corpus.soundfont import render_soundfont

    if is_corpus(path) or not made_here:
        return Corpus.open(path)
    assert soundfont is not None
    low, high = sounds.pitches
    say(f"Rendering {sounds.name} from {soundfont} into {path}.")
    with progress_bar() as bar:
        task = bar.add_task("rendering", total=None)
        corpus = render_soundfont(
            path,
            [soundfont],
            pitches=range(low, high + 1),
            velocities=sounds.velocities,
            seconds=sounds.seconds,
            sample_rate=RATE,
            name=f"{soundfont.stem} {sounds.seconds:g} s",
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    say(f"{len(corpus):,} notes.")
    return corpus


def tag(corpus: "Corpus", tagger: "Tagger", arms: list[Arm]) -> None:
    """Tags, and as many ranked attributes as the arms ask for; a list that is there and long enough is kept.

    Long enough is what the instruments ask for: the classifier is content with fewer (`experiment_runs.recipe_on`).

    Raises:
        UserError: the tags are by other weights, or a list of the user's own is too short.
    """
    from darktimbre.tagging.ranking import choose, rank, read_attributes
    from darktimbre.tagging.tag import tag_corpus

    wanted = {arm.role: 0 for arm in arms}
    steered = False
    for arm in arms:
        data = arm.resolved().data
        asked = 0 if data.teacher == CLASSES else data.attributes
        steered = steered or bool(asked)
        wanted[arm.role] = max(wanted[arm.role], asked if isinstance(asked, int) else 0)
    if not steered:
        return
    enough, top = wanted.get("instrument", 0), max(wanted.values())
    with progress_bar() as bar:
        task = bar.add_task(f"{tagger.name} listens", total=len(corpus))
        tags = tag_corpus(corpus, tagger, lambda done, whole: bar.update(task, completed=done, total=whole))
    try:
        there: tuple[str, ...] = read_attributes(corpus.path, tagger.name)
    except UserError:
        there = ()
    if len(there) >= (enough if there else top):
        return
    rows = corpus.rows("train")
    ranked = [one.name for one in rank(tags.logits(rows), tags.labels, top=top)]
    if there and tuple(ranked[: len(there)]) != there:
        raise UserError(
            f"{corpus.path} has a list of {len(there)} attributes of your own, the experiment needs {enough}: run "
            f"`darktimbre attributes {corpus.path} --teacher {tagger.name} --top {enough}`."
        )
    choose(corpus.path, tags, rows, top=top)
    say(f"{top} attributes are chosen: {', '.join(ranked[:6])}, …")
