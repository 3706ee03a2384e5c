"""Two gloo processes on one machine compute what one process with the same global batch computes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.training.tiny import run, tiny_recipe, warm_recipe

from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.journal import read_journal
from darktimbre.training.recipe import dump_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.trainer import check_batches

ROOT, SCRIPT = Path(__file__).resolve().parents[2], Path(__file__).with_name("run_recipe.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def one_thread():
    """As each of the two processes has: the phase of silent bins hangs on the last bits, which hang on the threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("kind", ["growing", "warm"])
def test_two_processes_equal_one(tiny_corpus, tmp_path, kind):
    # Batches of 8: each process has whole groups of four for the minibatch standard deviation.
    if kind == "growing":
        recipe = tiny_recipe(
            schedule=[{"notes": 16, "batch": 8}, {"notes": 16, "batch": 8, "fade": 8}],
            objectives={"penalty": {"reduction": "sum"}},
            journal_every=16,
            checkpoint_every=24,
        )
    else:
        recipe = warm_recipe(
            schedule=[{"notes": 16, "batch": 8, "scale": 2}],
            warm_start={"notes": 16, "batch": 8, "anchor": 0.5},
            journal_every=16,
        )
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    run(recipe, tiny_corpus, tmp_path / "one")
    command = [sys.executable, SCRIPT, tmp_path / "recipe.yaml", tiny_corpus, tmp_path / "two", "--devices=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (checkpoint.load_latest(tmp_path / name)[0] for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.tensors.keys() == two.tensors.keys()
    for name, tensor in one.tensors.items():
        if name.startswith("adam-"):
            continue  # Adam's second states span many orders; the weights that follow from them are compared
        torch.testing.assert_close(
            two.tensors[name], tensor, rtol=1e-3, atol=2e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
    lines = [read_journal(tmp_path / name / "journal.jsonl") for name in ("one", "two")]
    assert [line["notes_seen"] for line in lines[0]] == [line["notes_seen"] for line in lines[1]]
    for mine, its in zip(*lines, strict=True):
        for name in mine.keys() & {"critic", "generator", "reconstruction", "pitch_real", "attributes_real", "anchor"}:
            assert its[name] == pytest.approx(mine[name], rel=1e-3, abs=1e-4), name


def test_batches_that_cannot_be_shared_are_refused_before_anything_is_started():
    packed = tiny_recipe(network={**tiny_recipe().network.model_dump(), "pac": 2})
    with pytest.raises(UserError, match=r"batch of 4 notes cannot be shared evenly by 3 processes.*6"):
        check_batches(Schedule(tiny_recipe()), 3)
    with pytest.raises(UserError, match=r"evenly in packs of 2 by 4 processes: take a multiple, such as 8"):
        check_batches(Schedule(packed), 4)
