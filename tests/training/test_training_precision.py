"""A run in bfloat16 compares its convolutions with float32 and takes float32 where they are wrong."""

from contextlib import nullcontext
from functools import partial

import pytest
import torch
from tests.training.tiny import run, tiny_recipe
from torch import Tensor
from torch.nn import functional as F

from darktimbre.training import distributed as precision
from darktimbre.training.distributed import Comparison, Precision, near

BF16 = partial(torch.autocast, "cpu", torch.bfloat16)


def convolved(precision=BF16) -> tuple[Tensor, ...]:
    """The result of a convolution and of a transposed one, and all gradients."""
    torch.manual_seed(0)
    given = [torch.randn(*shape, requires_grad=True) for shape in ((2, 3, 9, 6), (4, 3, 3, 3), (4,), (4, 2, 4, 4))]
    features, weight, bias, other = given
    with precision():
        result = F.conv_transpose2d(F.conv2d(features, weight, bias, (1, 2), 1), other, None, 2, 1)
    return result, *torch.autograd.grad(result.float().square().sum(), given)


def test_comparing_changes_no_bit_and_finds_nothing() -> None:
    plain = convolved()
    with Comparison() as comparison:
        compared = convolved()
    assert not comparison.wrong
    for one, other in zip(plain, compared, strict=True):
        assert torch.equal(one, other)


def test_what_is_wrong_is_replaced_by_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = convolved(nullcontext)
    monkeypatch.setattr(precision, "near", lambda narrow, exact: False)
    with Comparison() as comparison:
        replaced = convolved()
    assert len(comparison.wrong) == 4  # two convolutions and their backward passes
    assert replaced[0].dtype == torch.bfloat16
    assert all(near(*pair) for pair in zip(replaced, exact, strict=True))


def test_near_is_within_rounding() -> None:
    exact = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert near(exact.bfloat16(), exact)
    assert near(torch.zeros(3).bfloat16(), torch.zeros(3))
    for garbage in (torch.nan, torch.inf, 1e38):
        wrong = exact.clone()
        wrong[7] = garbage
        assert not near(wrong.bfloat16(), exact)
    assert not near(1.1 * exact.bfloat16(), exact)


def test_one_process_that_finds_it_wrong_is_enough() -> None:
    said: list[str] = []
    computing = Precision(BF16)
    with computing.checked(torch.device("cpu"), lambda found: found + 0.25, said.append):
        convolved()
    assert "float32" in said[0]
    with computing():
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("right", [True, False])
def test_a_run_says_so_and_takes_float32(right, tiny_corpus, tmp_path, monkeypatch) -> None:
    if not right:
        monkeypatch.setattr(precision, "near", lambda narrow, exact: False)
    said: list[str] = []
    assert run(tiny_recipe(precision="bf16"), tiny_corpus, tmp_path / "run", said).reason == "done"
    assert any("the run takes float32" in sentence for sentence in said) is not right
