"""The choice of a runtime: torch unless onnxruntime is clearly faster, measured once, kept, and taken again."""

import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.export import runtime
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer


def test_torch_is_the_reference_unless_onnxruntime_is_clearly_faster() -> None:
    assert runtime.choice({"torch": 10, "onnx": 9.9})["runtime"] == "torch"
    assert runtime.choice({"torch": 10, "onnx": 9})["runtime"] == "onnx"
    assert runtime.choice({"torch": 10, "bf16": 8, "onnx": 9})["runtime"] == "bf16"


def test_auto_measures_once_keeps_it_and_tells(
    onnx_bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
    pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    compared = []

    def slower_torch(opened: dict[str, Synthesizer]) -> dict[str, object]:
        compared.append({name: one.runtime for name, one in opened.items()})
        return runtime.choice({"torch": 10, "onnx": 5})

    monkeypatch.setattr(runtime, "compare", slower_torch)
    first, second = runtime.open_instrument(onnx_bundle), runtime.open_instrument(onnx_bundle)
    assert len(compared) == 1
    assert all(name == one for name, one in compared[0].items())
    assert {"torch", "onnx"} <= set(compared[0])
    assert (first.runtime, second.runtime) == ("onnx", "onnx")
    assert (first.render(seed=1) == second.render(seed=1)).all()
    printed = capsys.readouterr().out
    assert "measured now" in printed
    assert "measured before" in printed
    assert len(list(runtime.cache().glob("*.onnx"))) == 1
    # A damaged copy is made anew.
    (kept,) = runtime.cache().glob("*.onnx")
    whole = kept.read_bytes()
    kept.write_bytes(b"torn")
    monkeypatch.setattr(runtime, "export_onnx", lambda _, path, **rest: path.write_bytes(whole))
    assert runtime.open_instrument(onnx_bundle, runtime="onnx").runtime == "onnx"


def test_a_real_comparison_tells_both_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "SECONDS", 0.0)
    one = Synthesizer(tiny_bundle())
    found = runtime.compare({"torch": one, "onnx": one})
    assert set(found["ms"]) == {"torch", "onnx"}
    assert min(found["ms"].values()) > 0


def test_without_onnxruntime_auto_plays_by_torch_and_onnx_names_the_remedy(
    onnx_bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    monkeypatch.setattr(runtime, "computes_bf16", lambda device: False)
    assert runtime.open_instrument(onnx_bundle).runtime == "torch"
    assert "onnxruntime is not installed" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"pip install 'darktimbre\[onnx\]'"):
        runtime.open_instrument(onnx_bundle, runtime="onnx")
    with pytest.raises(UserError, match="no runtime 'tensorrt'"):
        runtime.open_instrument(onnx_bundle, runtime="tensorrt")
    with pytest.raises(UserError, match="no units for bfloat16"):
        runtime.open_instrument(onnx_bundle, runtime="bf16")


def test_auto_takes_bfloat16_only_where_its_sound_is_near_enough(
    onnx_bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    monkeypatch.setattr(runtime, "computes_bf16", lambda device: True)
    monkeypatch.setattr(runtime, "compare", lambda opened: runtime.choice({"torch": 10, "bf16": 5}))
    monkeypatch.setattr(runtime, "ROUNDED", -300.0)
    assert runtime.open_instrument(onnx_bundle).runtime == "torch"
    monkeypatch.setattr(runtime, "ROUNDED", 0.0)
    rounded = runtime.open_instrument(onnx_bundle)
    assert rounded.runtime == "bf16"
    assert "torch in bfloat16 (measured now" in capsys.readouterr().out
    plain = runtime.open_instrument(onnx_bundle, runtime="torch")
    assert runtime.rounding_db(plain, plain) == -120
    assert -100 < runtime.rounding_db(plain, rounded) < -10
    assert (runtime.open_instrument(onnx_bundle).render(seed=2) == rounded.render(seed=2)).all()
