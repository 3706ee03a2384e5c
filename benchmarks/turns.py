"""Measuring several ways of the same work in turns, so that a busy moment befalls all of them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

Takes = dict[str, list[float]]


def in_turns(ways: Mapping[str, Callable[[], Any]], repeats: int) -> Takes:
    """Seconds of each way, `repeats` times in turns, after one run of each that does not count."""
    takes: Takes = {name: [] for name in ways}
    for repeat in range(-1, repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if repeat >= 0:
                takes[name].append(time.perf_counter() - began)
    return takes
