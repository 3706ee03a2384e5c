"""No usage is reported: onnxruntime's telemetry, which its import alone would start, is switched off before that."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from darktimbre.export.player import PlayerReport

PROGRAMS = {
    "play by onnxruntime": """
from darktimbre.synthesizer.runtime import OnnxNetwork
OnnxNetwork(sys.argv[1] + "/instrument.onnx", threads=1)
""",
    "train": "import darktimbre.cli.main, lightning_fabric",
    "stand-alone player": """
import runpy
sys.argv = [sys.argv[1] + "/play.py"]
runpy.run_path(sys.argv[0], run_name="__main__")
""",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_file_of_its_telemetry_appears(program: str, tiny_player: PlayerReport, tmp_path: Path) -> None:
    """It would keep a device id and a queue of reports in ~/.cache/Microsoft/DeveloperTools/.onnxruntime."""
    theirs = ("ORT_DISABLE_TELEMETRY", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    source = f"import sys\n{PROGRAMS[program]}\nassert 'onnxruntime' in sys.modules"
    command = [sys.executable, "-c", source, str(tiny_player.path)]
    subprocess.run(command, env={**environment, "HOME": str(tmp_path)}, check=True, capture_output=True, timeout=120)
    assert not [path for path in tmp_path.rglob("*") if "microsoft" in str(path).lower() or "onnx" in path.name]
