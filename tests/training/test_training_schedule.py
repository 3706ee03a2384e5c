"""Schedules are pure functions of notes seen, without gaps, and end exactly."""

import pytest
from tests.training.tiny import tiny_recipe, warm_recipe

from darktimbre.training.schedule import Schedule


def walk(schedule: Schedule):
    seen = 0
    while seen < schedule.total:
        state = schedule.at(seen)
        yield state
        seen += state.batch
    assert seen == schedule.total


@pytest.mark.parametrize("recipe", [tiny_recipe(), warm_recipe()], ids=["growing", "warm"])
def test_steps_count_up_by_one_and_phases_leave_no_gap(recipe):
    schedule = Schedule(recipe)
    assert [state.step for state in walk(schedule)] == list(range(schedule.steps))
    for before, after in zip(schedule.phases, schedule.phases[1:], strict=False):
        assert before.stop == after.first
    starts = [state.notes_seen for state in walk(schedule) if state.starts_phase]
    assert starts == [part.first for part in schedule.phases]


def test_stages_are_rounded_up_to_whole_batches():
    schedule = Schedule(
        tiny_recipe(schedule=[{"notes": 10, "batch": 4}, {"notes": 9, "batch": 3}, {"notes": 1, "batch": 8}])
    )
    assert [(part.first, part.stop) for part in schedule.phases] == [(0, 12), (12, 21), (21, 29)]


def test_fade_rises_to_one_within_its_notes_and_stays():
    schedule = Schedule(tiny_recipe())
    alphas = [state.alpha for state in walk(schedule) if state.stage == 1]
    assert alphas == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])
    assert {state.alpha for state in walk(schedule) if state.stage == 0} == {1.0}


def test_warm_start_comes_first_at_the_scale_of_adversarial_training():
    states = list(walk(Schedule(warm_recipe())))
    assert [state.phase for state in states] == ["warm"] * 4 + ["adversarial"] * 10
    assert {state.scale for state in states} == {2}
    assert [state.batch for state in states[3:5]] == [8, 4]
    assert [state.resets_optimisers for state in states[:5]] == [False, False, False, False, True]


def test_moments_are_kept_over_growth_on_request_but_never_over_a_phase():
    kept = Schedule(tiny_recipe(optimiser={"reset_at_growth": False}))
    assert not any(state.resets_optimisers for state in walk(kept))
    assert sum(state.resets_optimisers for state in walk(Schedule(tiny_recipe()))) == 2
    warm = Schedule(warm_recipe(optimiser={"reset_at_growth": False}))
    assert sum(state.resets_optimisers for state in walk(warm)) == 1


def test_learning_rate_ramps_up_after_each_reset_and_falls_at_the_end():
    schedule = Schedule(tiny_recipe(optimiser={"ramp_notes": 8, "decay_notes": 16, "decay_to": 0.5}))
    rates = [state.rate for state in walk(schedule)]
    assert rates[:3] == pytest.approx([0.5, 1, 1])
    assert rates[6] == pytest.approx(0.5)  # the second stage starts
    assert rates[-4:] == pytest.approx([1, 0.875, 0.75, 0.625])


def test_half_life_grows_with_the_notes_seen_up_to_the_recipes():
    schedule = Schedule(tiny_recipe(averaging={"half_life": 3, "ramp": 0.1}))
    assert schedule.at(20).half_life == pytest.approx(2)
    assert schedule.at(60).half_life == 3


def test_crossing_is_counted_once_whatever_the_batch():
    schedule = Schedule(tiny_recipe())
    crossed = [state.notes_seen + state.batch for state in walk(schedule) if schedule.crosses(state, 10)]
    assert crossed == [12, 20, 32, 40, 52, 60, 72]


def test_next_event_is_said_in_words():
    schedule = Schedule(
        tiny_recipe(
            schedule=[{"notes": 12_000, "batch": 4}, {"notes": 24, "batch": 4, "fade": 12}, {"notes": 4, "batch": 4}]
        )
    )
    assert schedule.next_event(0) == "stage 2 in 12,000 notes"
    assert schedule.next_event(12_004) == "faded in after 8 notes"
    assert schedule.next_event(12_024) == "done in 4 notes"
    assert Schedule(warm_recipe()).next_event(8) == "adversarial training in 24 notes"
