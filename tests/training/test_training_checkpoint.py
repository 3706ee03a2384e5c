"""Checkpoints come back to the bit, or are recognised as damaged."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.checkpoint import Damaged, Snapshot


def snapshot(seen: int) -> Snapshot:
    random = torch.Generator().manual_seed(seen)
    return Snapshot(
        seen,
        {"a/weight": torch.randn(4, 3, generator=random)},
        {"meter": {"critic": [0.1 + 0.2, 3]}, "journal_offset": 5},
    )


def test_what_is_saved_comes_back_to_the_bit(tmp_path):
    saved = snapshot(40)
    loaded = checkpoint.load(checkpoint.save(tmp_path, saved))
    assert loaded.notes_seen == 40
    assert torch.equal(loaded.tensors["a/weight"], saved.tensors["a/weight"])
    assert loaded.meta["meter"]["critic"][0] == 0.1 + 0.2


def test_only_the_newest_two_are_kept_and_remains_are_cleared(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    live = f".000000000007.{os.getppid()}.partial"  # a living process may still write it
    for name in (f".000000000005.{gone.pid}.partial", live):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    for seen in (10, 20, 100, 30):
        checkpoint.save(tmp_path, snapshot(seen))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [live, "000000000030", "000000000100"]


@pytest.mark.parametrize("harm", ["cut", "bit", "meta", "gone", "empty"])
def test_every_kind_of_damage_is_recognised(tmp_path, harm):
    checkpoint.save(tmp_path, snapshot(10))
    path = checkpoint.save(tmp_path, snapshot(20))
    state, meta = path / checkpoint.TENSORS, path / checkpoint.META
    if harm == "cut":
        state.write_bytes(state.read_bytes()[:-1])
    elif harm == "bit":
        data = bytearray(state.read_bytes())
        data[-1] ^= 1
        state.write_bytes(data)
    elif harm == "meta":
        meta.write_text(meta.read_text().replace('"journal_offset": 5', '"journal_offset": 6'))
    elif harm == "gone":
        state.unlink()
    else:
        meta.write_text("")
    with pytest.raises(Damaged):
        checkpoint.load(path)
    good, said = checkpoint.load_latest(tmp_path)
    assert good is not None
    assert good.notes_seen == 10
    assert "set aside" in said[0]
    assert checkpoint.load_latest(tmp_path)[1] == []  # said once


def test_no_good_checkpoint_is_none(tmp_path):
    assert checkpoint.load_latest(tmp_path) == (None, [])


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(UserError, match=r"could not be saved.*no earlier checkpoint"):
        checkpoint.save(tmp_path, snapshot(1))


def test_optimiser_state_comes_back_whatever_the_memory_format():
    def built() -> tuple[nn.Module, torch.optim.Adam]:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 2, 1)).to(memory_format=torch.channels_last)
        return module, torch.optim.Adam(module.parameters(), fused=True)

    def step(module: nn.Module, adam: torch.optim.Adam, seed: int) -> None:
        adam.zero_grad(set_to_none=True)
        module[0](torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(seed))).square().mean().backward()  # type: ignore[index]
        adam.step()

    module, adam = built()
    for seed in range(3):
        step(module, adam, seed)
    stored = checkpoint.module_tensors("m", module) | checkpoint.optimiser_tensors("o", adam, module)
    stored = {name: tensor.clone().contiguous() for name, tensor in stored.items()}
    assert not any(name.startswith("o/1.") for name in stored)  # the second layer sat out and has no state
    other, fresh = built()
    checkpoint.restore_module("m", other, stored)
    checkpoint.restore_optimiser("o", fresh, other, stored)
    step(module, adam, 9)
    step(other, fresh, 9)
    for mine, its in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)
