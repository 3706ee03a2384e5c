"""The journal holds means exactly and cuts itself to where a checkpoint was; the live line is right."""

import json
import time

import pytest
import torch
from tests.training.tiny import tiny_recipe, warm_recipe

from darktimbre.notes.errors import UserError
from darktimbre.training.journal import Journal, Meter, read_journal
from darktimbre.training.progress import ProgressLine, duration
from darktimbre.training.schedule import Schedule


def test_meter_restored_from_json_goes_on_to_the_bit():
    values = [torch.tensor(v) for v in (0.1, 0.7, -3.3, 1e-9, 12.5)]
    whole, first = Meter(), Meter()
    for value in values:
        whole.add({"critic": value})
    for value in values[:2]:
        first.add({"critic": value})
    second = Meter()
    second.restore(json.loads(json.dumps(first.state())))
    for value in values[2:]:
        second.add({"critic": value})
    assert second.means() == whole.means()


def test_meter_counts_losses_that_are_not_in_every_step():
    meter = Meter()
    meter.add({"critic": torch.tensor(1.0), "penalty": torch.tensor(4.0)})
    meter.add({"critic": torch.tensor(3.0)})
    assert meter.means() == {"critic": 2.0, "penalty": 4.0}
    assert meter.finite()
    meter.add({"critic": torch.tensor(float("inf"))})
    assert not meter.finite()


def test_journal_is_cut_to_the_offset_and_a_torn_line_is_left_out(tmp_path):
    schedule = Schedule(tiny_recipe())
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(schedule.at(0), {"critic": 1.0})
    offset = journal.offset
    journal.write(schedule.at(4), {"critic": 2.0})
    journal.close()
    again = Journal(tmp_path / "journal.jsonl", offset)
    again.write(schedule.at(8), {"critic": float("nan")})
    again.close()
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"notes_se')
    lines = read_journal(tmp_path / "journal.jsonl")
    assert [(line["notes_seen"], line["critic"]) for line in lines] == [(4, 1.0), (12, "nan")]


def test_a_journal_shorter_than_its_checkpoint_says_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(b'{"step": 1}\n')
    with pytest.raises(UserError, match="has 12 bytes, the checkpoint was saved when it had 40"):
        Journal(tmp_path / "journal.jsonl", 40)
    assert (tmp_path / "journal.jsonl").read_bytes() == b'{"step": 1}\n'
    Journal(tmp_path / "journal.jsonl", 12).close()


def test_line_says_where_how_fast_and_what_comes_next():
    schedule = Schedule(tiny_recipe())
    progress = ProgressLine(schedule, {0: 1.0, 1: 2.0, 2: 4.0}, shown=False)
    meter = Meter()
    meter.add({"critic": torch.tensor(0.25)})
    progress.step(schedule.at(24), meter)
    progress.speed = 2.0  # notes a second at stage 2: 20 left there, then 24 that cost twice as much
    line = progress.line(schedule.at(24), meter)
    parts = ("28/72 notes", "stage 2/3 (33% in)", "2.0 notes/s", "critic 0.25", "34 s left", "faded in after 8 notes")
    assert line.split(" · ") == list(parts)


def test_speed_is_rescaled_where_a_costlier_stage_starts():
    schedule = Schedule(tiny_recipe())
    progress = ProgressLine(schedule, {0: 1.0, 1: 4.0, 2: 16.0}, shown=False)
    progress.step(schedule.at(0), Meter())
    progress.speed, progress._at = 100.0, progress._at + 1e9  # no time passes
    progress.step(schedule.at(24), Meter())
    assert progress.speed is not None
    assert progress.speed < 200
    assert ProgressLine(Schedule(warm_recipe()), {}, shown=False).weight(Schedule(warm_recipe()).phases[0]) < 1


def test_time_left_is_at_most_the_time_limit():
    schedule = Schedule(tiny_recipe())
    untils = (None, time.monotonic() + 5.0)
    unhurried, hurried = (ProgressLine(schedule, {}, shown=False, until=until) for until in untils)
    for progress in (unhurried, hurried):
        progress.step(schedule.at(0), Meter())
        progress.speed = 0.01
    assert unhurried.seconds_left(8) > 1000
    assert 0.0 < hurried.seconds_left(8) <= 5.0


def test_durations_in_words():
    words = ["42 s", "3 min 20 s", "5 h 12 min", "12 d 4 h"]
    assert [duration(seconds) for seconds in (41.7, 200, 3600 * 5 + 720, 86400 * 12.2)] == words
