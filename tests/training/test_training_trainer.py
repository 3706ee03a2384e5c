"""A run ends the same however it was interrupted, and says clearly what it refuses."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.training.tiny import FakeTagger, fingerprint, make_corpus, run, stop_in_step, tiny_recipe, warm_recipe

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.tag import tag_corpus
from darktimbre.training import checkpoint
from darktimbre.training.journal import Journal, read_journal
from darktimbre.training.recipe import dump_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks import gan
from darktimbre.training.tensorboard import TensorBoard
from darktimbre.training.trainer import Diverged

ROOT, SCRIPT = Path(__file__).resolve().parents[2], Path(__file__).with_name("run_recipe.py")


# 13: mid-epoch, off the grid of the journal; 5 to 8: around a boundary
@pytest.mark.parametrize("steps", [1, 5, 8, 13])
def test_interrupted_and_resumed_equals_uninterrupted(finished, tiny_corpus, tmp_path, monkeypatch, steps):
    recipe, whole = finished
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        stop_in_step(patched, steps)
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
    command = [sys.executable, SCRIPT, tmp_path / "recipe.yaml", tiny_corpus, folder, "--pause=0.4"]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | threads)
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
        stop_in_step(patched, 12)
        run(recipe, tiny_corpus, folder)
    newest = checkpoint.listing(folder)[-1]
    state = newest / checkpoint.TENSORS
    state.write_bytes(state.read_bytes()[:-100])
    said: list[str] = []
    run(recipe, tiny_corpus, folder, said, resume=True)
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


def test_new_run_starts_from_a_bundle(finished, tiny_corpus, tmp_path):
    recipe, folder = finished
    still = recipe.optimiser.model_copy(update={"lr": 1e-12})
    initialised = recipe.model_copy(update={"init": str(folder / "bundle"), "optimiser": still})
    run(initialised, tiny_corpus, tmp_path / "next")
    snapshot, _ = checkpoint.load_latest(tmp_path / "next")
    assert snapshot is not None
    assert not any(line["phase"] == "warm" for line in read_journal(tmp_path / "next" / "journal.jsonl"))
    for name, tensor in Bundle.from_pretrained(folder / "bundle").weights.items():
        torch.testing.assert_close(snapshot.tensors[f"generator/{name}"], tensor, rtol=0, atol=1e-5)
    other = initialised.model_copy(update={"data": recipe.data.model_copy(update={"attributes": 2})})
    with pytest.raises(UserError, match=r"attributes.*--from-scratch"):
        run(other, tiny_corpus, tmp_path / "no")


def test_resuming_another_recipe_or_corpus_is_refused_with_the_difference(finished, tiny_corpus, tmp_path):
    recipe, folder = finished
    other = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update={"lr": 0.5})})
    with pytest.raises(UserError, match=r"optimiser\.lr: 0\.001 → 0\.5"):
        run(other, tiny_corpus, folder, resume=True)
    with pytest.raises(UserError, match="another one"):
        run(recipe, make_corpus(tmp_path / "more", notes=33).path, folder, resume=True)
    with pytest.raises(UserError, match="--resume"):
        run(recipe, tiny_corpus, folder)
    free = {"checkpoint_every": 7, "preview_every": 1000}  # decide nothing
    run(recipe.model_copy(update=free), tiny_corpus, folder, resume=True)


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
    kept = checkpoint.load(checkpoint.listing(tmp_path / "run")[-1])
    assert all(torch.isfinite(tensor).all() for tensor in kept.tensors.values())


def test_time_limit_leaves_checkpoint_and_goes_on(tiny_corpus, tmp_path):
    outcome = run(warm_recipe(), tiny_corpus, tmp_path / "run", minutes=0.0)
    assert (outcome.reason, outcome.notes_seen) == ("time", 8)
    assert outcome.bundle is not None  # this network is full-size from the start
    said: list[str] = []
    outcome = run(tiny_recipe(), tiny_corpus, tmp_path / "grow", said, minutes=0.0)
    assert outcome.bundle is None
    assert "not grown" in said[-1]


def test_previews_do_not_change_the_run(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    run(recipe.model_copy(update={"preview_every": 24}), tiny_corpus, tmp_path / "run")
    assert fingerprint(tmp_path / "run") == fingerprint(whole) | {"config.json": ANY}  # which holds the recipe
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert {"note 1", "note 4"} <= set(events.Tags()["audio"])
    assert "loss/critic" in events.Tags()["scalars"]


def test_run_file_holds_no_surprise(finished):
    _, folder = finished
    meta = json.loads((checkpoint.listing(folder)[-1] / checkpoint.META).read_text())
    assert set(meta) == {"format", "notes_seen", "journal_offset", "meter", "losses", "digest"}


def test_killed_before_the_first_checkpoint_starts_again(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("cut sho")  # killed while the folder was made
    said: list[str] = []
    run(recipe, tiny_corpus, folder, said, resume=True, minutes=0.0)
    for path in checkpoint.listing(folder):
        (path / checkpoint.META).unlink()
    run(recipe, tiny_corpus, folder, said, resume=True)
    assert "There is no good checkpoint yet: the run starts anew." in said
    assert fingerprint(folder) == fingerprint(whole)


def test_folder_of_something_else_is_left_alone(tiny_corpus, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    with pytest.raises(UserError, match="holds no run: choose another folder"):
        run(tiny_recipe(), tiny_corpus, tmp_path / "photos")


@pytest.mark.parametrize(
    "where",
    [
        *("TensorBoard.curves", "TensorBoard.preview", "TensorBoard.close"),
        *("Journal.write", "Journal.close", "Bundle.save_pretrained"),
    ],
)
def test_full_disk_anywhere_else_is_the_same_sentence(where, tiny_corpus, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    places = {"TensorBoard": TensorBoard, "Journal": Journal, "Bundle": Bundle}
    kind, _, method = where.partition(".")
    monkeypatch.setattr(places[kind], method, full)
    last = "no earlier checkpoint" if method in ("write", "curves") else "last good checkpoint is"  # at 12, 20 notes
    with pytest.raises(UserError, match=f"disk is full.*--resume.*{last}"):
        run(tiny_recipe(preview_every=20), tiny_corpus, tmp_path / "run")


def test_new_tags_in_mid_run_are_refused(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", notes=8)
    run(tiny_recipe(), corpus.path, tmp_path / "run", minutes=0.0)
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


def test_run_that_could_not_start_leaves_no_folder(tiny_corpus, tmp_path):
    recipe = tiny_recipe()
    wrong = recipe.model_copy(update={"data": recipe.data.model_copy(update={"seconds": 3.0})})
    with pytest.raises(UserError):
        run(wrong, tiny_corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()
