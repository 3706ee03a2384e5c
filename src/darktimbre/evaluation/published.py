"""The figures that the paper itself published (`published.toml`), shown in grey beside one's own."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0)
_SAME = {"plucked string instrument": "plucked string"}  # AudioSet's display name → the paper's


@cache
def _published() -> dict[str, Any]:
    return tomllib.loads(files("darktimbre.evaluation").joinpath("published.toml").read_text(encoding="utf-8"))


def table_1() -> list[dict[str, Any]]:
    """Rows of table 1: `name`, `temperature` of a DarkGAN, and by field of `Scores` (train, validation)."""
    return list(_published()["table_1"])


def table_2() -> dict[str, list[float]]:
    """Table 2: the correlation of each attribute at `TEMPERATURES`."""
    return dict(_published()["table_2"])


def correlations(attribute: str) -> list[float] | None:
    """The published correlations of an attribute; None where the paper's table does not show it."""
    plain = attribute.casefold()
    by_name = {name.casefold(): values for name, values in table_2().items()}
    return by_name.get(_SAME.get(plain, plain))
