"""A run ends the same however it was interrupted, and says clearly what it refuses."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.tiny import tiny_recipe, warm_recipe

from darktimbre.bundle.bundle import Bundle
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training import checkpoint
from darktimbre.training.journal import read_journal
from darktimbre.training.recipe import Recipe, dump_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks import gan
from darktimbre.training.trainer import Diverged, Options, Outcome, train

ROOT = Path(__file__).resolve().parents[2]


def run(recipe: Recipe, corpus: Path, folder: Path, *, resume: bool = False) -> Outcome:
    said: list[str] = []
    return train(recipe, Options(corpus=corpus, run=folder, resume=resume, accelerator="cpu"), say=said.append)


def fingerprint(folder: Path) -> tuple[str, str]:
    """Digests of the last checkpoint's tensors and of the journal."""
    last = checkpoint.listing(folder)[-1] / checkpoint.TENSORS
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in (last, folder / "journal.jsonl"))  # type: ignore[return-value]


@pytest.fixture(scope="module", params=["growing", "warm"])
def finished(request: pytest.FixtureRequest, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory):
    """An uninterrupted run: (recipe, folder)."""
    recipe = tiny_recipe() if request.param == "growing" else warm_recipe()
    folder = tmp_path_factory.mktemp("runs") / request.param
    assert run(recipe, tiny_corpus, folder).reason == "done"
    return recipe, folder


def stopping_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Ctrl-C came during step number `steps`."""
    made = 0
    original = gan.GanTask.step

    def step(self, state):
        nonlocal made
        made += 1
        if made == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, state)

    monkeypatch.setattr(gan.GanTask, "step", step)


@pytest.mark.parametrize(
    "steps", [1, 5, 8, 13]
)  # 13: mid-epoch, off the grid of the journal; 5 to 8: around a boundary
def test_interrupted_and_resumed_equals_uninterrupted(finished, tiny_corpus, tmp_path, monkeypatch, steps):
    recipe, whole = finished
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        stopping_after(steps, patched)
        outcome = run(recipe, tiny_corpus, folder)
    assert outcome.reason == "interrupted"
    assert outcome.bundle is None
    assert run(recipe, tiny_corpus, folder, resume=True).reason == "done"
    assert fingerprint(folder) == fingerprint(whole)


def test_two_runs_of_one_recipe_are_equal_and_another_seed_is_not(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    run(recipe, tiny_corpus, tmp_path / "again")
    assert fingerprint(tmp_path / "again") == fingerprint(whole)
    run(recipe.model_copy(update={"seed": 1}), tiny_corpus, tmp_path / "other")
    assert fingerprint(tmp_path / "other") != fingerprint(whole)


def test_kill_9_and_resume_equals_uninterrupted(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    folder = tmp_path / "run"
    command = [sys.executable, str(Path(__file__).with_name("run_slowly.py")), str(tmp_path / "recipe.yaml")]
    process = subprocess.Popen(
        [*command, str(tiny_corpus), str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    deadline = time.monotonic() + 300
    while not len(checkpoint.listing(folder)) >= 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "the run ended before it could be killed"
    process.kill()
    process.wait()
    assert run(recipe, tiny_corpus, folder, resume=True).reason == "done"
    assert fingerprint(folder) == fingerprint(whole)


def test_damaged_checkpoint_is_set_aside_and_the_one_before_used(finished, tiny_corpus, tmp_path, monkeypatch):
    recipe, whole = finished
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        stopping_after(12, patched)
        run(recipe, tiny_corpus, folder)
    newest = checkpoint.listing(folder)[-1]
    state = newest / checkpoint.TENSORS
    state.write_bytes(state.read_bytes()[:-100])
    said: list[str] = []
    train(recipe, Options(corpus=tiny_corpus, run=folder, resume=True, accelerator="cpu"), say=said.append)
    assert any("set aside" in sentence and newest.name in sentence for sentence in said)
    assert fingerprint(folder) == fingerprint(whole)


def test_journal_has_no_gap_no_double_and_no_clock(finished):
    recipe, folder = finished
    lines = read_journal(folder / "journal.jsonl")
    seen = [line["notes_seen"] for line in lines]
    assert seen == sorted(set(seen))
    total = Schedule(recipe).total
    assert seen[-1] == total
    assert all(isinstance(value, str | int | float) for line in lines for value in line.values())
    assert all(np.isfinite(v) for line in lines for v in line.values() if isinstance(v, float))


def test_bundle_plays_and_holds_the_averaged_generator(finished):
    _, folder = finished
    bundle = Bundle.from_pretrained(folder / "bundle", discriminator=True)
    snapshot, _ = checkpoint.load_latest(folder)
    assert snapshot is not None
    for name, tensor in bundle.weights.items():
        torch.testing.assert_close(tensor, snapshot.tensors[f"averaged/{name}"], rtol=0, atol=0)
    waves = Synthesizer(bundle).render(pitch=[69, 71], attributes={"Bell": 0.9}, seed=3)
    assert waves.shape == (2, 248)
    assert np.isfinite(waves).all()
    assert bundle.critic() is not None
    assert bundle.config["provenance"]["notes_seen"] == snapshot.notes_seen


def test_new_run_begins_from_a_bundle(finished, tiny_corpus, tmp_path):
    recipe, folder = finished
    initialised = recipe.model_copy(
        update={"init": str(folder / "bundle"), "optimiser": recipe.optimiser.model_copy(update={"lr": 1e-12})}
    )
    run(initialised, tiny_corpus, tmp_path / "next")
    snapshot, _ = checkpoint.load_latest(tmp_path / "next")
    assert snapshot is not None
    assert not any(line["phase"] == "warm" for line in read_journal(tmp_path / "next" / "journal.jsonl"))
    for name, tensor in Bundle.from_pretrained(folder / "bundle").weights.items():
        torch.testing.assert_close(snapshot.tensors[f"generator/{name}"], tensor, rtol=0, atol=1e-5)
    with pytest.raises(UserError, match=r"pitch classes.*--from-scratch"):
        run(
            initialised.model_copy(update={"data": recipe.data.model_copy(update={"pitches": (69, 70)})}),
            tiny_corpus,
            tmp_path / "no",
        )


def test_resuming_another_recipe_or_corpus_is_refused_with_the_difference(finished, tiny_corpus, tmp_path):
    recipe, folder = finished
    other = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update={"lr": 0.5})})
    with pytest.raises(UserError, match=r"optimiser\.lr: 0\.001 → 0\.5"):
        run(other, tiny_corpus, folder, resume=True)
    from tests.training.tiny import make_corpus

    with pytest.raises(UserError, match="another one"):
        run(recipe, make_corpus(tmp_path / "more", notes=33).path, folder, resume=True)
    with pytest.raises(UserError, match="--resume"):
        run(recipe, tiny_corpus, folder)
    run(
        recipe.model_copy(update={"checkpoint_every": 7, "preview_every": 1000}), tiny_corpus, folder, resume=True
    )  # decide nothing


def test_full_disk_is_a_clear_error_and_leaves_the_last_good_checkpoint(tiny_corpus, tmp_path, monkeypatch):
    recipe, folder = tiny_recipe(), tmp_path / "run"
    original, written = checkpoint.write_tensors, 0

    def full(tensors, path):
        nonlocal written
        written += 1
        if written > 1:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(tensors, path)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write_tensors", full)
        with pytest.raises(UserError, match=r"disk is full.*--resume.*The last good checkpoint is .*0000020"):
            run(recipe, tiny_corpus, folder)
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["000000000020"]
    assert checkpoint.load(checkpoint.listing(folder)[-1]).notes_seen == 20
    assert run(recipe, tiny_corpus, folder, resume=True).reason == "done"


def test_divergence_names_step_losses_and_last_good_checkpoint(tiny_corpus, tmp_path, monkeypatch):
    original = gan.GanTask.step

    def step(self, state):
        losses = original(self, state)
        return losses | ({"critic": losses["critic"] * float("nan")} if state.step == 8 else {})

    monkeypatch.setattr(gan.GanTask, "step", step)
    with pytest.raises(Diverged, match=r"step 9 \(36 notes.*critic nan.*last good checkpoint is .*000000000020"):
        run(tiny_recipe(), tiny_corpus, tmp_path / "run")
    assert all(
        torch.isfinite(t).all() for t in checkpoint.load(checkpoint.listing(tmp_path / "run")[-1]).tensors.values()
    )


def test_time_limit_leaves_checkpoint_and_goes_on(tiny_corpus, tmp_path):
    options = Options(corpus=tiny_corpus, run=tmp_path / "run", minutes=0.0, accelerator="cpu")
    outcome = train(warm_recipe(), options, say=lambda sentence: None)
    assert (outcome.reason, outcome.notes_seen) == ("time", 8)
    assert outcome.bundle is not None  # this network is full-size from the start
    said: list[str] = []
    outcome = train(tiny_recipe(), Options(corpus=tiny_corpus, run=tmp_path / "grow", minutes=0.0), say=said.append)
    assert outcome.bundle is None
    assert "not grown" in said[-1]


def test_previews_do_not_change_the_run(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    options = Options(corpus=tiny_corpus, run=tmp_path / "run", accelerator="cpu")
    with_previews = recipe.model_copy(update={"preview_every": 24})
    train(with_previews, options, say=print)
    assert fingerprint(tmp_path / "run") == fingerprint(whole)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert {"note 1", "note 4"} <= set(events.Tags()["audio"])
    assert "loss/critic" in events.Tags()["scalars"]


def test_run_file_holds_no_surprise(finished):
    _, folder = finished
    meta = json.loads((checkpoint.listing(folder)[-1] / checkpoint.META).read_text())
    assert set(meta) == {"format", "notes_seen", "journal_offset", "meter", "losses", "digest"}


def test_killed_before_the_first_checkpoint_begins_again(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("cut sho")  # killed while the folder was made
    said: list[str] = []
    options = Options(corpus=tiny_corpus, run=folder, resume=True, accelerator="cpu", minutes=0.0)
    train(recipe, options, say=said.append)
    for path in checkpoint.listing(folder):
        (path / checkpoint.META).unlink()
    train(recipe, Options(corpus=tiny_corpus, run=folder, resume=True, accelerator="cpu"), say=said.append)
    assert "There is no good checkpoint yet: the run starts anew." in said
    assert fingerprint(folder) == fingerprint(whole)


def test_folder_of_something_else_is_left_alone(tiny_corpus, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    with pytest.raises(UserError, match="holds no run: choose another folder"):
        run(tiny_recipe(), tiny_corpus, tmp_path / "photos")


def test_full_disk_while_the_journal_is_written(tiny_corpus, tmp_path, monkeypatch):
    from darktimbre.training.journal import Journal

    def full(self, state, losses):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Journal, "write", full)
    with pytest.raises(UserError, match=r"disk is full.*no earlier checkpoint"):
        run(tiny_recipe(), tiny_corpus, tmp_path / "run")


@pytest.mark.parametrize(
    "where", ["TensorBoard.curves", "TensorBoard.preview", "TensorBoard.close", "Journal.close", "Bundle"]
)
def test_full_disk_anywhere_else_is_the_same_sentence(where, tiny_corpus, tmp_path, monkeypatch):
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.training import journal, tensorboard

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    places = {"TensorBoard": tensorboard.TensorBoard, "Journal": journal.Journal, "Bundle": Bundle}
    kind, _, method = where.partition(".")
    monkeypatch.setattr(places[kind], method or "save_pretrained", full)
    with pytest.raises(UserError, match=r"disk is full.*--resume"):
        run(tiny_recipe(preview_every=20), tiny_corpus, tmp_path / "run")


def test_new_tags_in_mid_run_are_refused(tmp_path):
    from tests.training.tiny import FakeTagger, make_corpus

    from darktimbre.corpus.corpus import Corpus
    from darktimbre.tagging.tag import tag_corpus

    corpus = make_corpus(tmp_path / "corpus", notes=8)
    options = Options(corpus=corpus.path, run=tmp_path / "run", minutes=0.0, accelerator="cpu")
    train(tiny_recipe(), options, say=lambda sentence: None)
    other = FakeTagger()
    other.digest = "f" * 64
    tag_corpus(Corpus.open(corpus.path), other, force=True)
    with pytest.raises(UserError, match="made anew"):
        run(tiny_recipe(), corpus.path, tmp_path / "run", resume=True)


HOLDER = """
import sys
from pathlib import Path
from darktimbre.training.run_folder import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_folder_another_process_trains_in_is_refused_until_that_one_is_gone(tiny_corpus, tmp_path):
    pytest.importorskip("fcntl")
    folder = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    for resume in (False, True):
        with pytest.raises(UserError, match=r"Another process is training in .*run: wait for it, or name another"):
            run(tiny_recipe(), tiny_corpus, folder, resume=resume)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    holder.kill()
    holder.communicate()
    assert run(tiny_recipe(), tiny_corpus, folder).reason == "done"


def test_run_that_could_not_begin_leaves_no_folder(tiny_corpus, tmp_path):
    recipe = tiny_recipe()
    wrong = recipe.model_copy(update={"data": recipe.data.model_copy(update={"seconds": 3.0})})
    with pytest.raises(UserError):
        run(wrong, tiny_corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()
