"""A callback sees a run at its times, may do what it likes, and changes nothing; interrupted, it makes up for it."""

import os
import signal
from dataclasses import dataclass, field

import pytest
import torch
from tests.training.tiny import fingerprint, run, stop_in_step

from darktimbre.training import checkpoint
from darktimbre.training.trainer import Callback, Trainer, undisturbed


@dataclass
class Watcher(Callback):
    """Records when it is called, and disturbs whatever a careless callback could."""

    every: int
    starts: list[tuple[int, bool]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def start(self, view: Trainer) -> None:
        self.starts.append((view.notes_seen, view.reaches(self.every)))

    def step(self, view: Trainer) -> None:
        assert view.reaches(self.every)
        assert view.notes_seen == view.state.notes_seen + view.state.batch
        self.steps.append(view.notes_seen)
        view.log({"watched": 1.0})
        torch.manual_seed(view.notes_seen)
        torch.rand(7)
        torch.set_num_threads(torch.get_num_threads() + 1)
        instrument = view.task.preview(view.state)
        assert instrument is not None
        self.levels.append(float(abs(instrument.render(seed=3)).mean()))


def test_watched_run_equals_unwatched_one_and_is_called_in_all_phases(finished, tiny_corpus, tmp_path):
    recipe, whole = finished
    watcher = Watcher(every=16)
    run(recipe, tiny_corpus, tmp_path / "run", callbacks=[watcher])
    assert fingerprint(tmp_path / "run") == fingerprint(whole)
    assert watcher.starts == [(0, True)]
    assert watcher.steps == [16, 32, 48, 64, 72]
    assert len(set(watcher.levels)) == len(watcher.levels)  # the instrument changes as the run goes on


def test_interrupted_run_calls_it_at_each_step_once(finished, tiny_corpus, tmp_path, monkeypatch):
    """It is called before the checkpoint of its step: resumed there, it is due and was done."""
    recipe, whole = finished
    first = Watcher(every=16)
    stop_in_step(monkeypatch, 6)
    assert run(recipe, tiny_corpus, tmp_path / "run", callbacks=[first]).reason == "interrupted"
    monkeypatch.undo()
    seen = checkpoint.load_latest(tmp_path / "run")[0].notes_seen
    second = Watcher(every=16)
    run(recipe, tiny_corpus, tmp_path / "run", callbacks=[second], resume=True)
    assert second.starts == [(seen, False)]
    assert first.steps + second.steps == [16, 32, 48, 64, 72]
    assert fingerprint(tmp_path / "run") == fingerprint(whole)


def test_call_that_was_due_at_the_interruption_is_due_on_resuming(finished, tiny_corpus, tmp_path, monkeypatch):
    recipe, _ = finished
    batch = recipe.warm_start.batch if recipe.warm_start else 4
    first = Watcher(every=16)
    stop_in_step(monkeypatch, 16 // batch)  # Ctrl-C in the very step after which it is due
    run(recipe, tiny_corpus, tmp_path / "run", callbacks=[first])
    monkeypatch.undo()
    second = Watcher(every=16)
    run(recipe, tiny_corpus, tmp_path / "run", callbacks=[second], resume=True)
    assert first.steps == []
    assert second.starts == [(16, True)]


def test_interruption_during_a_call_is_seen_by_it_and_ends_the_run_at_that_note(finished, tiny_corpus, tmp_path):
    recipe, _ = finished
    stopping: list[bool] = []

    class Interrupted(Watcher):
        def step(self, view: Trainer) -> None:
            stopping.append(view.stopping())
            os.kill(os.getpid(), signal.SIGINT)
            stopping.append(view.stopping())

    outcome = run(recipe, tiny_corpus, tmp_path / "run", callbacks=[Interrupted(every=16)])
    assert (outcome.reason, outcome.notes_seen) == ("interrupted", 16)
    assert stopping == [False, True]


def test_interruption_before_the_first_step_ends_before_it(finished, tiny_corpus, tmp_path):
    recipe, whole = finished

    class Interrupted(Watcher):
        def start(self, view: Trainer) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run(recipe, tiny_corpus, tmp_path / "run", callbacks=[Interrupted(every=16)])
    assert (outcome.reason, outcome.notes_seen) == ("interrupted", 0)
    run(recipe, tiny_corpus, tmp_path / "run", callbacks=[Watcher(every=16)], resume=True)
    assert fingerprint(tmp_path / "run") == fingerprint(whole)


@pytest.mark.parametrize("error", [RuntimeError("failed"), OSError(28, "No space left on device")])
def test_failing_callback_ends_the_run_with_its_own_error_after_a_checkpoint(finished, tiny_corpus, tmp_path, error):
    """16 notes are before the first checkpoint that is due; what the callback reads is not the run's disk."""
    recipe, whole = finished

    class Failing(Watcher):
        def step(self, view: Trainer) -> None:
            raise error

    with pytest.raises(type(error), match=str(error.args[-1])):
        run(recipe, tiny_corpus, tmp_path / "run", callbacks=[Failing(every=16)])
    kept, _ = checkpoint.load_latest(tmp_path / "run")
    assert kept is not None
    assert kept.notes_seen == 16
    run(recipe, tiny_corpus, tmp_path / "run", resume=True)
    assert fingerprint(tmp_path / "run") == fingerprint(whole)


def test_undisturbed_puts_back_random_state_and_threads_even_after_an_error():
    threads = torch.get_num_threads()
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)

    def careless() -> None:
        with undisturbed():
            torch.rand(5)
            torch.set_num_threads(threads + 2)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        careless()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
