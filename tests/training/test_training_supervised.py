"""Supervised tasks: which labels count, augmentation, exact resume, the accuracies that are saved with a classifier."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.digits import SHORT, make_pictures
from tests.training.tiny import FakeTagger
from typer.testing import CliRunner

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.bundle.pictures import PictureClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.tagging.tag import tag_corpus
from darktimbre.training import checkpoint
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Data, Recipe, load_recipe, recipe_from
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks import note_classifier
from darktimbre.training.tasks.note_classifier import LabelledNotes, NoteClassifierTask, choose_classes
from darktimbre.training.tasks.supervised import shifted
from darktimbre.training.trainer import Options, train

RATE, SAMPLES = 8000, 1000
PITCHES = (57, 60, 64)
FAMILIES = {"pipe": (1.0,), "reed": (1.0, 0.0, 0.6, 0.0, 0.4), "": (0.5, 1.0, 0.7, 0.9)}  # loudness of the partials
NAMES = ("Bell", "Drum", "Flute")


def make(path: Path, *, pitched: bool = True, families: tuple[str, ...] = tuple(FAMILIES), tags: bool = True) -> Corpus:
    """Seven instruments a family, four to train on; each family has one note without pitch. Tagged by `FakeTagger`."""
    random, time = np.random.default_rng(3), np.arange(SAMPLES) / RATE
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="three", licence="CC0", split="given") as writer:
        for family in families:
            for number in range(7):
                split = ("train", "train", "train", "train", "valid", "valid", "test")[number]
                loud = [level * random.uniform(0.7, 1.0) for level in FAMILIES[family]]
                for midi in PITCHES if pitched else (60,):
                    hertz = 440 * 2 ** ((midi - 69) / 12)
                    wave = sum(a * np.sin(2 * np.pi * hertz * (k + 1) * time) for k, a in enumerate(loud))
                    note = Note(
                        id=f"{family}{number}-{midi}",
                        instrument=f"{family}{number}",
                        origin="made",
                        seconds=SAMPLES / RATE,
                        pitch=midi if pitched and not (number == 0 and midi == 60) else None,
                        family=family or None,
                        split=split,
                    )
                    writer.add(note, (0.2 * wave * np.exp(-5 * time)).astype(np.float32))
    corpus = Corpus.open(path)
    if tags:
        tag_corpus(corpus, FakeTagger())
    return corpus


def recipe(**changes: Any) -> Recipe:
    """A narrow note classifier; `changes` replace whole sections."""
    small: dict[str, Any] = {
        "name": "notes",
        "task": "inception",
        "data": {"pitches": None, "attributes": list(NAMES)},
        "inception": {"stem": 6, "widths": [16, 16], "embedding": 16, "semitones": 0, "dropout": 0.1},
        "schedule": [{"notes": 64, "batch": 8}],
        "optimiser": {"lr": 0.01, "betas": [0.9, 0.99]},
        "precision": "fp32",
        "checkpoint_every": 32,
        "preview_every": 0,
        "journal_every": 16,
    }
    return recipe_from(small | changes)


def bars(**changes: Any) -> Recipe:
    """A narrow digit classifier."""
    small = {
        "task": "picture-classifier",
        "classifier": {"widths": [4, 8], "embedding": 8, "dropout": 0.1, "shift": 1},
        "optimiser": {"lr": 0.01, "betas": [0.9, 0.99]},
    }
    return recipe_from(SHORT | small | changes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make(tmp_path_factory.mktemp("corpora") / "three")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_pictures(tmp_path_factory.mktemp("pictures") / "bars")


def run(chosen: Recipe, corpus: Corpus, folder: Path, **options: Any) -> tuple[Path | None, list[str]]:
    messages: list[str] = []
    outcome = train(chosen, Options(corpus=corpus.path, run=folder, accelerator="cpu", **options), say=messages.append)
    return outcome.bundle, messages


# ----------------------------------------------------------------------------
# Labels of a corpus


def test_classes_are_read_from_the_corpus_and_notes_without_one_are_reported(corpus):
    attributes, messages = choose_classes(Data(pitches=None, attributes=NAMES), corpus)
    assert attributes.pitches == PITCHES
    assert attributes.names == NAMES
    assert "3 of 36 notes have none of the 3 pitch classes: they count for their family alone." in messages
    assert "12 of 36 notes have no known family: they are the family 'other'." in messages
    notes = LabelledNotes.of(Data(pitches=None), corpus, attributes, corpus.rows("train"))
    assert (len(notes.rows), int((notes.pitch_class < 0).sum())) == (36, 3)
    assert notes.families == ("other", "pipe", "reed")
    assert np.bincount(notes.family).tolist() == [12, 12, 12]


def test_a_range_of_pitches_leaves_the_others_to_their_family(corpus):
    attributes, messages = choose_classes(Data(pitches=(58, 70), attributes=0), corpus)
    assert attributes.pitches == (60, 64)
    assert any("15 of 36 notes" in sentence for sentence in messages)
    notes = LabelledNotes.of(Data(), corpus, attributes, corpus.rows("train"))
    assert notes.pitch_class[:3].tolist() == [-1, -1, 1]


def test_without_tags_it_is_trained_without_soft_labels(tmp_path):
    untagged = make(tmp_path / "corpus", tags=False)
    attributes, messages = choose_classes(Data(pitches=None, attributes=128), untagged)
    assert attributes.names == ()
    assert any("no tags of yamnet" in sentence and "without soft labels" in sentence for sentence in messages)
    bundle, messages = run(recipe(data={"pitches": None, "attributes": 128}), untagged, tmp_path / "run")
    assert any("without soft labels" in sentence for sentence in messages)
    assert bundle is not None
    assert NoteClassifier.from_pretrained(bundle).predict(torch.zeros(1, SAMPLES)).attributes.shape == (1, 0)


def test_tags_without_a_ranking_are_reported(corpus):
    attributes, messages = choose_classes(Data(pitches=None, attributes=128), corpus)
    assert attributes.names == ()
    assert any("without soft labels: " in sentence and "darktimbre attributes" in sentence for sentence in messages)


def test_it_is_trained_on_the_labels_there_are(tmp_path):
    one_family = make(tmp_path / "pitch", families=("pipe",), tags=False)
    bundle, messages = run(recipe(data={"pitches": None, "attributes": 0}), one_family, tmp_path / "a")
    assert any("trained on pitch alone" in sentence for sentence in messages)
    assert any("1 of 12 notes have none of the 3 pitch classes: they are left out" in sentence for sentence in messages)
    assert bundle is not None
    assert NoteClassifier.from_pretrained(bundle).families == ()
    unpitched = make(tmp_path / "family", pitched=False, tags=False)
    bundle, messages = run(recipe(data={"pitches": None, "attributes": 0}), unpitched, tmp_path / "b")
    assert any("trained on families alone" in sentence for sentence in messages)
    assert bundle is not None
    assert (NoteClassifier.from_pretrained(bundle).pitches, NoteClassifier.from_pretrained(bundle).families[0]) == (
        (),
        "other",
    )
    nothing = make(tmp_path / "nothing", pitched=False, families=("pipe",), tags=False)
    with pytest.raises(UserError, match="nothing to tell apart"):
        run(recipe(), nothing, tmp_path / "c")


def test_a_batch_of_one_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="two notes a process"):
        run(recipe(schedule=[{"notes": 8, "batch": 1}]), corpus, tmp_path / "run")


# ----------------------------------------------------------------------------
# The step


def started(corpus: Corpus, **settings: Any) -> NoteClassifierTask:
    plain = {"stem": 4, "widths": [16], "embedding": 8, "dropout": 0.0, "semitones": 0}
    chosen = recipe(inception=plain | settings, schedule=[{"notes": 32, "batch": 16}])
    return NoteClassifierTask(NoteClassifierTask.make_plan(chosen, corpus), corpus, DistributedContext())


def gradients(task: NoteClassifierTask, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Losses of a first step; its gradients are left in the network."""
    monkeypatch.setattr(task.adam, "step", lambda: None)
    monkeypatch.setattr(task.adam, "zero_grad", lambda set_to_none: None)
    return task.step(Schedule(task.recipe).at(0))


@pytest.mark.parametrize(("without", "labels"), [("pitch", "pitch_class"), ("family", "family")])
def test_a_note_without_a_label_trains_the_other_heads_alone(corpus, monkeypatch, without, labels):
    task = started(corpus)
    getattr(task.dataset, labels)[:] = -1
    losses = gradients(task, monkeypatch)
    assert losses[without] == 0
    for head in ("pitch", "family"):
        assert getattr(task.network, head).weight.grad.any() == (head != without)


def test_weights_are_applied_once(corpus, monkeypatch):
    """With the weight of one loss doubled, its head's gradient doubles; the losses that are returned are unweighted."""
    first, second = started(corpus, attributes=3.0), started(corpus, attributes=6.0)
    assert gradients(first, monkeypatch) == gradients(second, monkeypatch)
    one, other = first.network, second.network
    torch.testing.assert_close(other.attributes.weight.grad, 2 * one.attributes.weight.grad)
    torch.testing.assert_close(other.pitch.weight.grad, one.pitch.weight.grad)


def test_notes_are_moved_in_time():
    waves = torch.arange(1.0, 5.0).repeat(3, 1)
    moved = shifted(waves, torch.tensor([0, 1, -2]), 1)
    assert moved.tolist() == [[1, 2, 3, 4], [0, 1, 2, 3], [3, 4, 0, 0]]


def test_notes_are_moved_in_pitch_and_their_class_with_them():
    spectrogram = torch.rand(3, 1, 6, 2)
    moved = shifted(spectrogram, torch.tensor([0, 2, -1]), 2)
    assert torch.equal(moved[0], spectrogram[0])
    assert torch.equal(moved[1, :, 2:], spectrogram[1, :, :4])
    assert not moved[1, :, :2].any()
    assert torch.equal(moved[2, :, :5], spectrogram[2, :, 1:])
    assert not moved[2, :, 5:].any()
    classes, semitones = torch.tensor([0, 0, 1, 2, -1]), torch.tensor([3, 1, -3, 0, 0])
    moved_class = note_classifier.transposed_class(classes, semitones, torch.tensor(PITCHES))
    assert moved_class.tolist() == [1, -1, 0, 2, -1]


def test_a_picture_moves_down_and_right_and_black_comes_in():
    picture = torch.arange(12.0).reshape(1, 1, 3, 4).repeat(2, 1, 1, 1)
    moved = shifted(shifted(picture, torch.tensor([1, 0]), 2, -1.0), torch.tensor([-1, 0]), 3, -1.0)
    assert moved[0, 0].tolist() == [[-1, -1, -1, -1], [1, 2, 3, -1], [5, 6, 7, -1]]
    torch.testing.assert_close(moved[1], picture[1])


def test_a_tilt_keeps_what_is_silent_silent():
    picture = torch.tensor([0.0, 0.5, 0.5, 0.5, 0.0]).view(1, 1, 5, 1)
    assert note_classifier.tilted(picture, torch.tensor([0.4])).flatten().tolist() == pytest.approx(
        [0.0, 0.4, 0.5, 0.6, 0.0]
    )


# ----------------------------------------------------------------------------
# The run


def test_notes_are_classified_and_the_accuracies_saved(corpus, tmp_path):
    """Seven hundred notes of three plain timbres are enough to classify those of held-out instruments."""
    bundle, messages = run(recipe(schedule=[{"notes": 720, "batch": 12}]), corpus, tmp_path / "run")
    assert bundle is not None
    classifier = NoteClassifier.from_pretrained(bundle)
    metrics = classifier.config["metrics"]
    assert [metrics[split]["instruments"] for split in ("train", "valid", "test")] == [12, 6, 3]
    assert (metrics["train"]["pitch"]["notes"], metrics["valid"]["pitch"]["notes"]) == (33, 18)
    for split in ("train", "valid", "test"):
        assert metrics[split]["pitch"]["accuracy"] > 0.85
        assert metrics[split]["family"]["accuracy"] > 0.6
    assert sum(facts["notes"] for facts in metrics["families_held_out"].values()) == 27
    assert classifier.config["provenance"]["corpus"]["digest"] == corpus.digest
    assert classifier.config["teacher"]["digest"] == FakeTagger.digest
    assert any("count for their family alone" in sentence for sentence in messages)
    rows = corpus.rows("valid")
    named = np.array(classifier.pitches)[
        classifier.predict(torch.from_numpy(corpus.waves(rows))).pitch.argmax(1).numpy()
    ]
    assert (named == corpus.column("pitch")[rows]).mean() == pytest.approx(metrics["valid"]["pitch"]["accuracy"])


def test_pictures_are_classified_and_the_accuracies_saved(pictures, tmp_path):
    bundle, _ = run(bars(schedule=[{"notes": 960, "batch": 12}]), pictures, tmp_path / "run")
    assert bundle is not None
    classifier = PictureClassifier.from_pretrained(bundle)
    assert classifier.accuracy is not None
    assert classifier.accuracy > 0.9
    metrics = classifier.config["metrics"]
    assert [metrics[split]["pictures"] for split in ("train", "valid", "test")] == [36, 12, 12]
    rows = pictures.rows("test")
    predicted = classifier.predict(pictures.pictures(rows))
    right = predicted.probabilities.argmax(1) == pictures.column("category")[rows].astype(int)
    assert right.mean() == pytest.approx(metrics["test"]["accuracy"])
    np.testing.assert_allclose(predicted.probabilities.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("chosen", "kind", "made"),
    [
        (recipe(inception={"stem": 4, "widths": [16], "embedding": 8, "dropout": 0.5}), "corpus", NoteClassifier),
        (bars(), "pictures", PictureClassifier),
    ],
    ids=["notes", "digits"],
)
def test_resumed_equals_uninterrupted_bit_for_bit(request, chosen, kind, made, tmp_path):
    data = request.getfixturevalue(kind)
    whole, _ = run(chosen, data, tmp_path / "whole")
    run(chosen, data, tmp_path / "parts", minutes=0.0)
    torch.manual_seed(99)  # whatever the process did meanwhile
    resumed, messages = run(chosen, data, tmp_path / "parts", resume=True)
    assert any(sentence.startswith("Resumed after") for sentence in messages)
    states = [checkpoint.listing(tmp_path / name)[-1] / checkpoint.TENSORS for name in ("whole", "parts")]
    assert states[0].read_bytes() == states[1].read_bytes()
    assert whole is not None
    assert resumed is not None
    assert made.from_pretrained(whole).digest == made.from_pretrained(resumed).digest


@pytest.mark.parametrize(
    ("alias", "name"), [("note-classifier", "inception"), ("digit-classifier", "digits-classifier")]
)
def test_plainer_names_of_recipes_and_tasks(alias, name):
    known = load_recipe(name)
    assert load_recipe(alias) == known
    assert recipe_from(known.model_dump() | {"task": alias}) == known


def test_on_the_command_line(corpus, tmp_path):
    from darktimbre.cli.main import app

    small = [
        f"--set={key}"
        for key in (
            "schedule.0.notes=16",
            "schedule.0.batch=8",
            "data.attributes=[Bell, Drum]",
            "inception.stem=4",
            "inception.widths=[16]",
            "inception.embedding=8",
        )
    ]
    start = ["train", "inception", "--corpus", str(corpus.path), *small]
    dry = CliRunner().invoke(app, [*start, "--dry-run"])
    output = " ".join(dry.output.split())
    assert dry.exit_code == 0, output
    for part in (
        "36 of 63 notes of three are trained on",
        "3 pitches, 3 families, 2 attributes",
        "16 notes in 2 steps",
    ):
        assert part in output, part
    result = CliRunner().invoke(app, [*start, "--run", str(tmp_path / "run"), "--accelerator", "cpu"])
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "run" / "bundle" / "config.json").read_text())
    assert (config["kind"], config["attributes"]) == ("classifier", ["Bell", "Drum"])
    wrong = CliRunner().invoke(app, [*start, "--set=inception.widths=[20]", "--dry-run"])
    assert wrong.exit_code == 2
    assert "multiples of 16" in " ".join(wrong.output.split())
