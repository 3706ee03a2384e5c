"""Every setting loops on all of its keys or on none, from samples that loop by the bounds of `loops`."""

import numpy as np
import pytest

from darktimbre.export.loops import Loop
from darktimbre.export.plan import Plan, Zone
from darktimbre.export.samples import REACH, Bank, even
from darktimbre.synthesizer.patch import Patch

LOOP = Loop(start=10, end=20, match=1.0, drift=0.0)
Row = tuple[str, str]  # name of the setting's sound; its samples from low to high, x where one loops


def bank_of(*settings: tuple[Row, ...], step: int = 1) -> Bank:
    """Settings of velocity layers, on keys from 60 upwards with two more to either side."""
    zones, ids, loops = [], [], {}
    for setting, layers in enumerate(settings):
        for layer, (sound, marks) in enumerate(layers):
            roots = [60 + step * index for index in range(len(marks))]
            lows = [58, *(root - (step - 1) // 2 for root in roots[1:])]
            highs = [*(low - 1 for low in lows[1:]), roots[-1] + 2]
            for root, low, high, mark in zip(roots, lows, highs, marks, strict=True):
                zones.append(Zone(setting, layer, float(root), root, low, high, 1, 127, Patch()))
                ids.append((sound, float(root)))
                if mark == "x":
                    loops[ids[-1]] = LOOP
    waves = {name: np.zeros(30, np.float32) for name in ids}
    return Bank(Plan(patches=(Patch(),)), tuple(zones), 1.0, 8000, waves, tuple(ids), loops)


def held(bank: Bank) -> dict[int, set[bool]]:
    """Setting → whether its zones loop."""
    found: dict[int, set[bool]] = {}
    for zone, name in zip(bank.zones, bank.ids, strict=True):
        found.setdefault(zone.setting, set()).add(name in bank.loops)
    return found


@pytest.mark.parametrize(
    ("marks", "loops"),
    [("xxxxx", True), ("..x..", True), ("x..x..x", True), (".....", False), ("x.....x", False), ("...xx", False)],
)
def test_a_setting_loops_where_no_sample_is_farther_than_the_reach_from_one_that_does(marks: str, loops: bool) -> None:
    before = bank_of((("a", marks),))
    after = even(before)
    assert held(after) == {0: {loops}}
    keys = [key for zone in after.zones for key in range(zone.low, zone.high + 1)]
    assert keys == list(range(58, 60 + len(marks) + 2))  # every key has one sample, as before
    roots = [zone.root for zone in after.zones]
    for zone in after.zones:
        for key in range(zone.low, zone.high + 1):
            assert abs(key - zone.root) == min(abs(key - root) for root in roots)
    assert set(after.waves) == set(after.ids)
    if not loops:
        assert (after.zones, after.ids) == (before.zones, before.ids)


def test_a_wide_step_is_not_bridged() -> None:
    assert held(even(bank_of((("a", "x.x"),), step=REACH))) == {0: {True}}
    assert held(even(bank_of((("a", "x.x"),), step=REACH + 1))) == {0: {False}}


def test_settings_are_looped_separately_and_all_layers_of_one_together() -> None:
    after = even(bank_of((("a", "x.x"),), (("b", "..."),), (("c", "xxx"), ("d", "..."))))
    assert held(after) == {0: {True}, 1: {False}, 2: {False}}


def test_a_sound_that_two_settings_share_loops_in_both_or_in_neither() -> None:
    shared = ("b", "xxx")
    assert held(even(bank_of((("a", "..."), shared), (shared, ("c", "x.x"))))) == {0: {False}, 1: {False}}
    assert held(even(bank_of((("a", ".x."), shared), (shared, ("c", "x.x"))))) == {0: {True}, 1: {True}}
