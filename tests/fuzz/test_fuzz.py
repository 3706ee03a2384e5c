"""A few hundred changed files for each reader of `tests/fuzz/readers.py`; `make fuzz` tries many more."""

from pathlib import Path

import pytest
from tests.fuzz.__main__ import fuzz
from tests.fuzz.readers import READERS


@pytest.mark.parametrize("name", READERS)
def test_changed_files_are_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    counts, faults = fuzz(name, tmp_path, 10.0, most=200, seed=1)
    assert counts["files"] > 0
    assert not faults, counts
