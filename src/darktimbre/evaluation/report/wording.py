"""Words that the report's sentences share: lists, verbs, figures beside each other."""

from collections.abc import Sequence

from darktimbre.evaluation.results import Estimate, Evaluation, System


def of_kind(evaluation: Evaluation, *kinds: str) -> list[System]:
    """Systems of these kinds, in the order of the tables."""
    return [one for one in evaluation.systems if one.kind in kinds]


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def do(names: Sequence[str]) -> str:
    """`does` or `do`."""
    return "does" if len(names) == 1 else "do"


def value(estimate: Estimate) -> float:
    """A figure that is known to be there."""
    assert estimate.value is not None
    return estimate.value
