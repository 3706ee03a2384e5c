"""Experiments as data: which sounds, which variants (recipe + overrides), compared by one evaluation.

A further experiment is a further entry of `EXPERIMENTS`, not a further program.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.where import shipped_folder
from darktimbre.evaluation.profile import PAPER, QUICK, Profile
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError
from darktimbre.training.recipe import Recipe, load_recipe
from darktimbre.training.tasks.base import task_of
from darktimbre.training.tasks.energy import EnergyTask
from darktimbre.training.tasks.gan import GanRecipe
from darktimbre.training.tasks.note_generator import NoteGeneratorTask, settings_like

SCALES = ("small", "paper")
TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0)
"""DarkGAN's grid of T (§5.1)."""
WEIGHTS = (0.05, 0.5)
"""Of the mode-seeking loss. At first it is 12 to 20 for spectrograms of notes, which the latent hardly moves: the
smaller weight makes it as large as the generator's other losses, the larger one lets it dominate."""
SMALL = ("schedule=[{notes: 10000, batch: 8, scale: 3}]", "optimiser.decay_notes=10000", "warm_start.notes=48000")
"""`darkgan-small` for a comparison: from scratch, and twice as long as the starter's.

A variant's 58,000 notes take about an hour of one processor core."""
WITHOUT = "without"
"""The variant that the others of mode-seeking differ from in one setting."""
AGAIN = f"{WITHOUT}, again"
"""The same with another seed: it says how far two runs differ by chance."""
PAC = 2  # notes scored together
ANOTHER = "give another --start"
HALF_LIVES = 8  # of the averaged generator in a variant's training: what it was initialised from is then forgotten


@dataclass(frozen=True)
class Sounds:
    """A corpus, where none is given: every preset of a SoundFont × pitches × velocities."""

    name: str  # how variants refer to it
    seconds: float = 1.0
    pitches: tuple[int, int] = (44, 69)  # lowest and highest MIDI note, both included
    velocities: tuple[int, ...] = (50, 90, 120)
    grid: str = ""  # instead of every preset, a grid of styles (`corpus.grids`), with pitches and lengths of its own


@dataclass(frozen=True)
class Variant:
    """One thing that is trained.

    An `instrument` is a row of the comparison; the `classifier` is what rows are measured by; others are initialised
    from a `start`.
    """

    title: str  # its row in the tables
    recipe: str  # name in the package, or a YAML file
    overrides: tuple[str, ...] = ()  # `key=value`, in their order
    sounds: str = "notes"  # name of the corpus that it is trained on
    role: Literal["instrument", "classifier", "start"] = "instrument"
    init_from: str | Path | None = None  # title of another variant, or a bundle's folder; None: as its recipe says
    row: str = ""  # its row, where a row is several seeds; else its title

    def resolved(self) -> Recipe:
        """The whole recipe.

        Raises:
            UserError: there is no such recipe or key.
        """
        return load_recipe(self.recipe, self.overrides)


@dataclass(frozen=True)
class Experiment:
    """What is trained and compared."""

    name: str  # with its scale, such as `darkgan-paper small`
    says: str  # one sentence about it
    sounds: tuple[Sounds, ...]  # the corpora; the first is what everything is evaluated on
    variants: tuple[Variant, ...]  # in the order of training
    remarks: tuple[str, ...] = ()  # sentences about what is left out or differs, and why
    # all that DarkGAN reports; diversity against quality; what autoencoders' latents hold and their conditions do
    report: Literal["paper", "diversity", "latents"] = "paper"
    beside: tuple[tuple[str, str], ...] = ()  # (title, bundle) of trained instruments that are compared with them


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for."""

    name: str  # of the experiment
    out: Path  # folder of the report
    runs: Path = Path("runs/experiments")  # where runs and rendered sounds are cached
    scale: str = "small"  # about an hour of one processor core a variant; or `paper`: days of a GPU
    minutes: float | None = None  # end this session's training after so long
    dry_run: bool = False  # say what would be done
    accelerator: str = "auto"  # or cpu, cuda

    corpus: Path | None = None  # real notes of 1 s; else rendered from a SoundFont
    soundfont: Path | None = None  # to render from; else one that the system has
    teacher: str = "yamnet"  # whose tags are the conditions
    weights: Path | None = None  # its weights file

    temperatures: tuple[float, ...] = TEMPERATURES  # T of the soft labels, one DarkGAN each
    gansynth: Path | None = None  # a trained one of the user's, as one more row

    recipe: str | None = None  # of the GAN whose variants are compared; else the scale's DarkGAN
    mode_seeking: tuple[float, ...] = WEIGHTS  # weights of the loss, a variant each
    start: Path | None = None  # bundle that all variants are initialised from
    notes: int | None = None  # of each variant's training; else the recipe's

    seeds: int = 3  # trainings of each model of the ablation, or each variant of sound-quality
    latents: tuple[int, ...] = (3, 16)  # dimensions of its latents; of the largest, the last variant alone
    styles: str = "styles"  # column of the corpus that its styles are
    inversions: tuple[tuple[str, str], ...] = ()  # (name, inversion or folder of a trained one) that are compared

    classifier: Path | None = None  # a trained one, instead of one of the experiment's
    quick: bool = False  # fewer notes in the evaluation than the paper's
    counts: Mapping[str, int] = field(default_factory=dict)  # of notes in the evaluation that are changed
    fad: bool = True  # whether notes too few for the Fréchet distance are refused
    card: bool = True  # whether figures are written into the bundles' cards
    seed: int = 0  # of the evaluation

    @property
    def profile(self) -> Profile:
        """How many notes the evaluation takes.

        Raises:
            UserError: a count is none.
        """
        return (QUICK if self.quick else PAPER).with_counts(self.counts)


# ----------------------------------------------------------------------------
# darkgan-paper


def darkgan_paper(request: Request) -> Experiment:
    """Table 1, table 2, figures 2 and 3 of the paper."""
    small, teacher = request.scale == "small", f"data.teacher={request.teacher}"
    common: tuple[str, ...] = ("init=scratch", *(SMALL if small else ()), teacher)
    unconditional = ("name=darkgan-small-baseline", "data.attributes=0", "data.temperature=1")
    recipe = "darkgan-small" if small else "darkgan"
    baseline = (recipe, (*common, *unconditional)) if small else ("darkgan-baseline", common)
    variants = [
        Variant("classifier", "inception", (teacher,), role="classifier"),
        Variant("baseline", *baseline),
        *(
            Variant(f"DarkGAN T={t:g}", recipe, (*common, f"name={recipe}-T{t:g}", f"data.temperature={t!r}"))
            for t in request.temperatures
        ),
    ]
    # GANSynth is trained on notes of 4 s of its own pitches.
    sounds, long = [Sounds("notes")], Sounds("long notes", seconds=4.0, pitches=(24, 84))
    left_out, remedy = "", "bring a trained one with --gansynth BUNDLE"
    if request.gansynth is None and small:
        left_out = f"its recipe takes a GPU for days (--scale paper), or {remedy}."
    elif request.gansynth is None and request.corpus and not request.soundfont:
        left_out = f"it needs notes of 4 s, which --corpus does not hold; add --soundfont, or {remedy}."
    elif request.gansynth is None:
        variants.append(Variant("GANSynth", "gansynth", ("init=scratch",), sounds=long.name))
        sounds.append(long)
    return Experiment(
        f"darkgan-paper {request.scale}",
        "DarkGAN at several temperatures beside its baseline without attributes, real notes and GANSynth",
        tuple(sounds),
        tuple(variants),
        (f"GANSynth is left out: {left_out}",) if left_out else (),
    )


# ----------------------------------------------------------------------------
# mode-seeking


def mode_seeking(request: Request) -> Experiment:
    """Without and with the mode-seeking loss (Mao et al. 2019), minibatch standard deviation, pac (Lin et al. 2018).

    One GAN recipe, and variants that differ from it in one setting each. Where the recipe has a warm start, it is made
    once and all variants are initialised from it: they differ in adversarial training alone. Where a bundle is given,
    they are initialised from that one instead.

    Raises:
        UserError: the recipe is no GAN that makes sound, or the bundle to start from has no discriminator.
    """
    name = request.recipe or ("darkgan-small" if request.scale == "small" else "darkgan")
    plain = load_recipe(name)
    if not isinstance(plain, GanRecipe):
        raise UserError(f"mode-seeking is for GANs that make sound; {name} is of the task {task_of(plain).name}.")
    common = _condition(request, plain)
    init_from = request.start or ("start" if plain.warm_start else None)
    training = common + _adversarial(request, plain, init_from is not None)

    def variant(title: str, run: str, *setting: str) -> Variant:
        return Variant(title, name, (*training, f"name={plain.name}-{run}", *setting), init_from=init_from)

    off = "objectives.mode_seeking=0"
    if plain.network.minibatch_stddev:
        deviation = variant("no minibatch deviation", "no-deviation", "network.minibatch_stddev=false")
    else:
        deviation = variant("minibatch deviation", "deviation", "network.minibatch_stddev=true")
    variants = [
        variant(WITHOUT, "without", off),
        *(variant(f"mode seeking {w:g}", f"ms{w:g}", f"objectives.mode_seeking={w!r}") for w in request.mode_seeking),
        deviation,
        variant(f"pac {PAC}", f"pac{PAC}", f"network.pac={PAC}"),
        variant(AGAIN, "without-again", off, f"seed={plain.seed + 1}"),
    ]
    if init_from == "start":  # the warm start and one step: a run ends in adversarial training
        first = plain.schedule[0]
        stage = f"{{notes: {first.batch}, batch: {first.batch}, scale: {plain.scale(len(plain.schedule) - 1)}}}"
        alone = (f"name={plain.name}-start", f"schedule=[{stage}]", "optimiser.decay_notes=0")
        variants.insert(0, Variant("start", name, (*common, "init=scratch", *alone), role="start"))
    if request.classifier is None:
        by_teacher = Variant("classifier", "inception", (f"data.teacher={request.teacher}",), role="classifier")
        of_classes = Variant("classifier", "oneshot-classifier", role="classifier")
        variants.insert(0, of_classes if plain.data.teacher == CLASSES else by_teacher)
    return Experiment(
        f"mode-seeking {request.scale}",
        f"{plain.name} without and with the mode-seeking loss and other means against collapse, one setting a variant",
        (Sounds("notes"),),
        tuple(variants),
        (f"Each variant's adversarial training was {request.notes:,} notes, by --notes.",) if request.notes else (),
        report="diversity",
    )


def starting_bundle(place: Path) -> tuple[Bundle, dict[str, Tensor]]:
    """A bundle that adversarial training can continue from, and its discriminator.

    Raises:
        UserError: there is no bundle, or it holds no discriminator.
    """
    bundle = Bundle.from_pretrained(place, discriminator=True)
    if bundle.discriminator is None:
        raise UserError(f"{place} holds no discriminator, so training cannot continue from it: {ANOTHER}.")
    return bundle, bundle.discriminator


def _condition(request: Request, plain: GanRecipe) -> tuple[str, ...]:
    """What all variants are conditioned on: by the teacher chosen, or as the bundle was that they start from."""
    if request.start is None:
        by_tagger = plain.data.attributes and plain.data.teacher != CLASSES
        return (f"data.teacher={request.teacher}",) if by_tagger else ()
    attributes = starting_bundle(request.start)[0].attributes
    if attributes.teacher == CLASSES:
        return ()
    count = (f"data.attributes={len(attributes.names)}",)
    if not attributes.names:
        return count
    return (*count, f"data.teacher={attributes.teacher}", f"data.temperature={attributes.temperature!r}")


def _adversarial(request: Request, plain: GanRecipe, initialised: bool) -> tuple[str, ...]:
    """The schedule of a variant, of `request.notes` where that is given; no warm start where one was made."""
    total = sum(stage.notes for stage in plain.schedule)
    part = request.notes / total if request.notes else 1.0
    overrides = [] if initialised else ["init=scratch"]
    if request.notes:
        for place, stage in enumerate(plain.schedule):
            overrides.append(f"schedule.{place}.notes={max(stage.batch, round(part * stage.notes))}")
            overrides.append(f"schedule.{place}.fade={round(part * stage.fade)}")
        for key in ("ramp_notes", "decay_notes"):
            overrides.append(f"optimiser.{key}={round(part * getattr(plain.optimiser, key))}")
    if initialised:
        half_life = max(1, round(part * total / HALF_LIVES))
        overrides += ["warm_start=null", f"averaging.half_life={half_life}"]
    return tuple(overrides)


# ----------------------------------------------------------------------------


# wae-ablation

WAE = ("wae-mmd", "wae-note", "wae-style", "wae-fader", "wae-class-prior")
"""The four models of Bitton et al. (2019), in their order, and the class-wise prior."""
QUICK_NOTES = 1_200  # of each model
QUICK_CLASSIFIER = ("schedule.0.notes=8192", "optimiser.decay_notes=6144")
ANOTHER_KIND = ("inception.windows=[2048]", "inception.widths=[48,96,144]", "seed=1")
"""What the second classifier differs in: front end, size and initial weights."""


def wae_ablation(request: Request) -> Experiment:
    """Four models that differ in one part each, the class-wise prior, and that with a larger latent; by seeds.

    Raises:
        UserError: there is no seed, or no size of the latent.
    """
    if request.seeds < 1 or not request.latents or min(request.latents) < 1:
        raise UserError("The ablation needs at least one seed and sizes of the latent from 1 up.")
    classes = (f"data.families={request.styles}", "data.attributes=0", *(QUICK_CLASSIFIER if request.quick else ()))
    variants = []
    if request.classifier is None:
        for title, more in (("classifier", ()), ("second classifier", ANOTHER_KIND)):
            name = f"name={title.replace(' ', '-')}-of-styles"
            variants.append(Variant(title, "inception", (*classes, *more, name), role="classifier"))
    first, *larger = request.latents
    models = [(name, name, first) for name in WAE] + [(f"{WAE[-1]}, {d} dimensions", WAE[-1], d) for d in larger]
    for seed in range(1 if request.quick else request.seeds):
        for row, recipe, size in models:
            settings = (f"name={recipe}-{size}d-{seed}", f"data.styles={request.styles}", f"network.latent={size}")
            shortened = _shortened(request, recipe)
            overrides = (*settings, f"seed={seed}", *shortened)
            variants.append(Variant(f"{row}, seed {seed}", recipe, overrides, row=row))
    left_out = [f"Each model was trained on {request.notes:,} notes, by --notes."] if request.notes else []
    if request.quick:
        left_out.append(
            f"Quick: one seed, {request.notes or QUICK_NOTES:,} notes a model; figures are far from the end."
        )
    return Experiment(
        "wae-ablation",
        "Wasserstein autoencoders without condition, with note, with style, with a latent discriminator (Bitton et al. "
        "2019), and with the prior matched class by class",
        (Sounds("notes", grid="strings"),),
        tuple(variants),
        tuple(left_out),
        report="latents",
    )


def _shortened(request: Request, recipe: str) -> tuple[str, ...]:
    """Overrides for fewer notes than the recipe's, by --notes or --quick."""
    wanted = request.notes or (QUICK_NOTES if request.quick else None)
    if wanted is None:
        return ()
    plain = load_recipe(recipe, ())
    part = wanted / sum(stage.notes for stage in plain.schedule)
    changed = [f"schedule.{n}.notes={max(one.batch, round(part * one.notes))}" for n, one in enumerate(plain.schedule)]
    for key in ("ramp_notes", "decay_notes"):
        changed.append(f"optimiser.{key}={round(part * getattr(plain.optimiser, key))}")
    return (*changed, f"checkpoint_every={max(1, wanted // 2)}", f"preview_every={max(1, wanted // 4)}")


# ----------------------------------------------------------------------------
# sound-quality

STARTER = "starter"
BASIS = "darktimbre-teacher"
"""The recipe whose multiplications are every variant's budget."""
LAYERS = ("teacher.layer=0.06", "teacher.embedding=0.25", "teacher.labels=0.25")
WIDER = {"twice": "[184,136,88,44]", "four times": "[256,192,128,64]"}
"""Widths of the generator by its multiplications, relative to the starter's."""
FROM_STARTER: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("energy", "darktimbre-energy", ()),
    ("energy, teacher", BASIS, ()),
    ("energy, less of the teacher", BASIS, ("teacher.logits=0.25",)),
    ("energy, teacher, no modulations", BASIS, ("distance.modulations=0",)),
    ("energy, teacher in more noise", BASIS, ("teacher.smoothing.noise_db=-50",)),
    ("energy, teacher and its layers", BASIS, LAYERS),
    ("encoder, teacher", "darktimbre-encoder", ("energy=0",)),
    ("encoder, energy, teacher", "darktimbre-encoder", ()),
    ("modulated stages", BASIS, ("network.modulate=true",)),
    ("partials by number", BASIS, ("network.harmonics=64",)),
    ("mapped input", BASIS, ("network.mapping=512",)),
    ("labels by logarithms", BASIS, ("network.whiten=logarithms",)),
    ("adversarial", "darkgan-small", ("optimiser.lr=0.0001",)),
)
"""Title, recipe and settings of what is trained on from the starter; the last as `quickstart` does."""
FROM_NOTHING = (
    ("from nothing", ()),
    *((f"from nothing, {times} the multiplications", (f"network.widths={widths}",)) for times, widths in WIDER.items()),
)
"""The same of `BASIS` from random weights."""
PAPER_S_WAY = (
    "init=scratch", "warm_start=null", "optimiser.lr=0.001", "optimiser.decay_notes=0", "network.posterior=false",
    "network.pitch_comb=false", "network.whiten=false", "network.modulate=false", "network.harmonics=0",
    "objectives={adversarial: wasserstein, penalty: {kind: gradient-penalty, weight: 10}, drift: 0.001, pitch: 10, "
    "attributes: 10}",
)  # fmt: skip
YARDSTICKS = (
    ("paper's DarkGAN", PAPER_S_WAY),
    (
        "paper's GANSynth",
        (*PAPER_S_WAY, "data.attributes=0", "data.temperature=1", "network.tanh=true", "network.normalise_input=true"),
    ),
)
"""Title and settings of `darkgan-small` that make it what the paper compares, at the starter's sizes: WGAN-GP from
random weights, with labels and with pitch alone."""


def sound_quality(request: Request) -> Experiment:
    """Ways to train an instrument on, one setting a variant, all with the multiplications of `BASIS`.

    All have the network and attributes of the starter but for that setting; what it has already is no variant.

    Raises:
        UserError: there is no seed, or the start is no GAN.
    """
    if request.seeds < 1:
        raise UserError("sound-quality needs at least one seed.")
    start = request.start or shipped_folder(STARTER)
    bundle = Bundle.from_pretrained(start, discriminator=True)
    like = tuple(settings_like(bundle))
    plain = load_recipe(BASIS, like)
    budget = (request.notes or sum(stage.notes for stage in plain.schedule)) * task_macs(plain)
    by = f"data.teacher={request.teacher}"
    variants = []
    if request.classifier is None:
        variants.append(Variant("classifier", "inception", (by,), role="classifier"))
    rows: list[tuple[str, str, tuple[str, ...], Path | None]] = []
    for title, name, settings in FROM_STARTER:
        known = name != BASIS or not settings or load_recipe(name, (*like, *settings)) != plain
        if known and (bundle.discriminator is not None or issubclass(task_of(load_recipe(name)), EnergyTask)):
            rows.append((title, name, settings, start))
    rows += [(title, BASIS, (*settings, "init=scratch"), None) for title, settings in FROM_NOTHING]
    rows += [(title, "darkgan-small", settings, None) for title, settings in YARDSTICKS]
    for seed in range(request.seeds):
        for number, (row, recipe, settings, init_from) in enumerate(rows):
            common = (*like, *settings, by, f"seed={seed}", f"name=sound-quality-{number}-{seed}")
            title = f"{row}, seed {seed}" if request.seeds > 1 else row
            overrides = (*common, *_budgeted(recipe, common, budget))
            variants.append(Variant(title, recipe, overrides, init_from=init_from, row=row))
    return Experiment(
        "sound-quality",
        "the starter trained on by the energy score, with its teacher in the loss, with an encoder, with other "
        "networks, and as a GAN",
        (Sounds("notes"),),
        tuple(variants),
        beside=((STARTER, str(start)),),
        remarks=(
            "All variants were trained for about as many multiplications, so they saw different numbers of notes.",
            "The teacher was in the loss of all but energy, adversarial and the paper's: its figures alone say little "
            "of them.",
        ),
    )


def task_macs(recipe: Recipe) -> float:
    """Multiply-accumulates of a note of a step."""
    task = task_of(recipe)
    assert issubclass(task, NoteGeneratorTask)
    return task.macs(recipe)


def _budgeted(name: str, settings: tuple[str, ...], budget: float) -> tuple[str, ...]:
    """Overrides that give a recipe of one stage as many notes as a budget of multiplications lasts for."""
    plain = load_recipe(name, settings)
    (stage,) = plain.schedule
    notes = max(stage.batch, round(budget / task_macs(plain)))
    decay = round(plain.optimiser.decay_notes * notes / stage.notes)
    return (f"schedule.0.notes={notes}", f"optimiser.decay_notes={decay}", f"checkpoint_every={max(1, notes // 4)}")


# ----------------------------------------------------------------------------


EXPERIMENTS: dict[str, Callable[[Request], Experiment]] = {
    "darkgan-paper": darkgan_paper, "mode-seeking": mode_seeking, "wae-ablation": wae_ablation,
    "sound-quality": sound_quality,
}  # fmt: skip
"""By name."""


def experiment_of(request: Request) -> Experiment:
    """The experiment that is requested.

    Raises:
        UserError: there is none, or no such scale.
    """
    if request.name not in EXPERIMENTS:
        raise UserError(f"There is no experiment {request.name!r}; there are {', '.join(EXPERIMENTS)}.")
    if request.scale not in SCALES:
        raise UserError(f"--scale is one of {', '.join(SCALES)}, not {request.scale!r}.")
    return EXPERIMENTS[request.name](request)


def numbers_of(text: str, option: str, default: tuple[float, ...]) -> tuple[float, ...]:
    """ "1,1.5,2" → (1.0, 1.5, 2.0), ascending, each once.

    Raises:
        UserError: something else is written, or two of them are alike as far as a title shows.
    """
    try:
        found = tuple(sorted({float(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        found = ()
    if not found or not all(0 < number < float("inf") for number in found):
        example = ",".join(f"{number:g}" for number in default)
        raise UserError(f"{option} takes numbers above 0, such as {example}, not {text!r}.")
    if len({f"{number:g}" for number in found}) < len(found):
        raise UserError(f"Two of {option} {text} would have one name: give them at most six digits, each once.")
    return found
