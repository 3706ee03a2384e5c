"""`darktimbre train` on the command line: what it prints, where it writes, with which status it ends."""

from functools import partial

import pytest
from tests.training.tiny import make_corpus, tiny_recipe, warm_recipe

from darktimbre.training.recipe import dump_recipe, recipe_names


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpora") / "tiny").path


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_recipe(tiny_recipe()), encoding="utf-8")
    return path


@pytest.fixture
def train(run):
    return partial(run, "train", status=0)


def test_dry_run_prints_recipe_sizes_memory_and_time_and_writes_nothing(train, recipe, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = train(recipe, "--corpus", corpus, "--dry-run", "--set", "optimiser.lr=5e-4", "--accelerator", "cpu")
    sizes = ("generator:", "memory: about", "stage 3: 24 notes of 16 × 32", "72 notes in 18 steps")
    for part in ("lr: 0.0005", "30 of 30 notes", *sizes):
        assert part in said, part
    assert not (tmp_path / "runs").exists()


def test_help_names_every_recipe(train):
    said = train("--help")
    assert all(name in said.replace("- ", "-") for name in recipe_names())


def test_dry_run_of_the_paper_needs_no_corpus(train):
    said = train("darkgan", "--dry-run", "--accelerator", "cpu")
    assert "8,715,788 parameters" in said
    assert "24,840,000 notes in 1,228,000 steps" in said


def test_smoke_goes_through_every_phase(train, corpus, tmp_path):
    path = tmp_path / "warm.yaml"
    path.write_text(dump_recipe(warm_recipe()), encoding="utf-8")
    said = train(path, "--corpus", corpus, "--run", tmp_path / "run", "--smoke", "--accelerator", "cpu")
    assert "The instrument is in" in said
    assert (tmp_path / "run" / "bundle" / "config.json").is_file()
    journal = (tmp_path / "run" / "journal.jsonl").read_text()
    assert '"warm"' in journal
    assert '"adversarial"' in journal


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["darkgan-smal", "--dry-run"], "Did you mean 'darkgan-small'"),
        (["darkgan"], "--corpus"),
        (["darkgan", "--corpus", "nowhere"], "There is no corpus in nowhere"),
        (["darkgan", "--dry-run", "--set", "optimizer.lr=1"], "Did you mean 'optimiser"),
        (["darkgan", "--from-scratch", "--init", "starter"], "either --init or --from-scratch"),
        (["tagger", "--dry-run", "--init", "starter"], "the task tagger does not use init: leave it out"),
        (["inception", "--dry-run", "--set", "init=auto"], "the task inception does not use init: leave it out"),
        (["inception", "--dry-run", "--set", "averaging.half_life=9"], "does not use averaging"),
        (["tagger", "--dry-run", "--set", "schedule.0.scale=1"], "does not use scale"),
        (["tagger", "--dry-run", "--evaluate-every", "9"], "--evaluate-every is for generators"),
        (["inception", "--dry-run", "--keep-best", "fad"], "--keep-best is for instruments: leave it out for the task"),
        (["inception", "--dry-run", "--half"], "--half is for instruments"),
        (["darkgan", "--corpus", "x", "--devices", "two"], "--devices is a number"),
        (["darkgan", "--corpus", "x", "--devices", "0"], "--devices is a number"),
        (["darkgan", "--corpus", "x", "--accelerator", "tpu"], "--accelerator is one of auto, cpu, cuda"),
        (["digits-dcgan", "--corpus", "x", "--devices", "2"], "trains in one process"),
        (["digits-dcgan", "--corpus", "nowhere"], "`darktimbre import digits nowhere`"),
        (["darkgan-small", "--dry-run", "--set", "data.pitches=null"], "set network.pitch_comb to false"),
    ],
)
def test_mistakes_end_in_a_sentence_and_status_2(train, arguments, sentence):
    said = train(*arguments, status=2)
    assert sentence in said
    assert "Traceback" not in said


def test_resuming_where_no_run_is_says_that_a_new_one_begins(train, recipe, corpus, tmp_path):
    said = train(recipe, "--corpus", corpus, "--run", tmp_path / "new", "--resume", "--accelerator", "cpu")
    assert "There is no run in" in said


def test_interruption_ends_with_130_and_says_how_to_go_on(train, recipe, corpus, tmp_path, monkeypatch):
    import os
    import signal

    from darktimbre.training.tasks import gan

    original = gan.GanTask.step

    def step(self, state):
        if state.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, state)

    with monkeypatch.context() as patched:
        patched.setattr(gan.GanTask, "step", step)
        said = train(recipe, "--corpus", corpus, "--run", tmp_path / "run", "--accelerator", "cpu", status=130)
    assert "Stopped after 16 notes; the same command with --resume" in said
    said = train(recipe, "--corpus", corpus, "--run", tmp_path / "run", "--accelerator", "cpu", "--resume")
    assert "Resumed after 16 notes" in said
