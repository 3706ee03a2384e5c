"""Another runtime under the synthesizer: the same notes within rounding, the same bits every time, clear refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import tiny_bundle

from darktimbre.export.player import PlayerReport
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import timing
from darktimbre.synthesizer.runtime import OnnxNetwork
from darktimbre.synthesizer.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def exported(tiny_player: PlayerReport) -> Path:
    return tiny_player.network.path


def test_notes_by_onnxruntime_are_the_instruments_own(tiny: Synthesizer, exported: Path) -> None:
    by_onnx = Synthesizer(tiny.bundle, network=OnnxNetwork(exported, digest=tiny.bundle.digest))
    assert (tiny.runtime, by_onnx.runtime) == ("torch", "onnx")
    request = {"pitch": [59, 60, 61], "attributes": {"drum": 0.7}, "seed": [4, 5, 6]}
    expected = tiny.render(**request)
    assert np.abs(by_onnx.render(**request) - expected).max() < 1e-3 * np.abs(expected).max()


def test_equal_requests_give_equal_bits_whatever_else_is_requested_and_whoever_loads(
    tiny: Synthesizer, exported: Path
) -> None:
    first, second = (Synthesizer(tiny.bundle, network=OnnxNetwork(exported, threads=1)) for _ in range(2))
    together = first.render(seed=[1, 2, 3, 4, 5])
    alone = np.concatenate([second.render(seed=[seed]) for seed in (1, 2, 3, 4, 5)])
    assert np.array_equal(together, alone)


def test_threads_follow_torchs_or_what_is_said(exported: Path) -> None:
    assert OnnxNetwork(exported, threads=3).threads == 3
    assert OnnxNetwork(exported).threads == torch.get_num_threads()


def test_a_file_of_another_instrument_or_no_network_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="from another instrument"):
        OnnxNetwork(exported, digest="0" * 64)
    (tmp_path / "no.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match="cannot load"):
        OnnxNetwork(tmp_path / "no.onnx")


def test_a_batch_can_be_timed_where_playing_takes_one_note_at_a_time() -> None:
    instrument, sizes = Synthesizer(tiny_bundle()), []
    instrument.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    spent = timing.measure(instrument, 2, batch=4)
    assert sizes == [4] * (timing.WARM_UP + 2)
    assert spent.network + spent.inversion <= spent.total
    instrument.render(seed=[1, 2])
    assert sizes[-2:] == [1, 1]
