"""Fewer bits for the network's weights: how far they are off, that the file shrinks, and that playing costs no more."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darktimbre.export.onnx import NetworkReport, export_onnx
from darktimbre.export.player import PlayerReport
from darktimbre.export.precision import PRECISIONS, eight_bits
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

onnx = pytest.importorskip("onnx", reason="needs darktimbre[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_channel_is_off_by_half_a_step_of_its_own_scale_at_most(axis: int) -> None:
    values = np.random.default_rng(0).standard_normal((5, 6, 3, 4)).astype(np.float32)
    values *= 10.0 ** np.arange(values.shape[axis]).reshape([-1 if one == axis % 4 else 1 for one in range(4)])
    whole, scale = eight_bits(values, axis)
    assert scale.size == values.shape[axis]
    assert np.abs(whole).max() == 127
    assert (np.abs(whole * scale - values) <= scale * 0.5001).all()
    per_channel = np.abs(np.moveaxis(whole, axis, 0)).reshape(values.shape[axis], -1).max(1)
    assert (per_channel == 127).all()  # the greatest of each channel uses the whole range


def test_a_channel_of_zeros_stays_zero() -> None:
    whole, scale = eight_bits(np.zeros((2, 3), np.float32), 0)
    assert not (whole * scale).any()


@pytest.fixture(scope="module")
def reports(tiny: Synthesizer, tiny_player: PlayerReport, tmp_path_factory: pytest.TempPathFactory):
    """Precision → `NetworkReport`."""
    folder = tmp_path_factory.mktemp("precision")
    fewer = {name: export_onnx(tiny, folder / f"{name}.onnx", precision=name) for name in PRECISIONS[1:]}
    return {"float32": tiny_player.network, **fewer}


def test_fewer_bits_make_a_smaller_file_and_a_stated_error(
    reports: dict[str, NetworkReport], tiny: Synthesizer
) -> None:
    sizes, snr = ([getattr(reports[name], key) for name in PRECISIONS] for key in ("bytes", "picture_snr"))
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
    assert snr[0] > 100
    assert 55 < snr[1] < 90  # eleven bits of mantissa: 2^-12 of each weight, 72 dB
    assert 25 < snr[2] < 50
    generator = tiny.bundle.generator()
    assert {report.parameters for report in reports.values()} == {sum(one.numel() for one in generator.parameters())}


def test_only_the_network_is_touched(reports: dict[str, NetworkReport]) -> None:
    """The way from picture to wave is a matter of phase: its constants stay as they are."""

    def constants(name: str) -> dict[str, bytes]:
        graph = onnx.load(reports[name].path).graph
        return {one.name: one.raw_data for one in graph.initializer if "inversion" in one.name}

    plain = constants("float32")
    assert len(plain) > 5
    assert constants("int8") == constants("float16") == plain


def test_weights_are_turned_back_once_at_load(reports: dict[str, NetworkReport], tmp_path: Path) -> None:
    """The graph that onnxruntime computes for a note has the same products, and no cast of a weight left."""

    def computed(name: str) -> Counter[str]:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{name}.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        onnxruntime.InferenceSession(str(reports[name].path), options, providers=["CPUExecutionProvider"])
        return Counter(node.op_type for node in onnx.load(tmp_path / f"{name}.onnx").graph.node)

    plain = computed("float32")
    assert plain["Conv"] + plain["FusedConv"] > 0
    for name in ("float16", "int8"):
        assert computed(name) == plain


def test_an_unknown_precision_is_refused_and_nothing_written(tiny: Synthesizer, tmp_path: Path) -> None:
    wrong: Any = "int4"
    with pytest.raises(UserError, match="choose one of float32, float16, int8"):
        export_onnx(tiny, tmp_path / "x.onnx", precision=wrong)
    assert not list(tmp_path.iterdir())
