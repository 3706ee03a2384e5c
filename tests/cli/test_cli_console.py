"""The command line ends in a sentence, or as it should, wherever its output goes: few signs, closed, a full disk."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tests.conftest import Run
from typer.testing import CliRunner

from darktimbre.cli import options
from darktimbre.cli.main import app
from darktimbre.corpus import folder
from darktimbre.notes.errors import UserError

# What a verb's file does: prints, warns, opens a file, ends.
VERB = """
import sys
from darktimbre.cli import console
console.prepare_streams()
held = open(sys.argv[1], "w")
for text in sys.argv[2:]:
    console.say(text)
    console.warn(text)
console.table(["a"], [["✓"]])
with console.progress("p") as update:
    update(1, 2, "stage")
held.close()
console.flush_streams()
"""


def _run(tmp_path: Path, *texts: str | bytes, redirected: str = "", **environment: str) -> tuple[int, bytes, bytes]:
    (tmp_path / "verb.py").write_text(VERB)
    command = [sys.executable, str(tmp_path / "verb.py"), str(tmp_path / "out.txt"), *texts]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "latin-1:strict"])
def test_what_an_encoding_lacks_is_printed_plainly(tmp_path: Path, encoding: str) -> None:
    stray = os.fsdecode(b"Fl\xf6te")
    status, out, err = _run(tmp_path, "✓ Flöte … 笛", stray, PYTHONIOENCODING=encoding)
    assert (status, b"Traceback" in err) == (0, False)
    letter = {"ascii": b"o", "utf-8": "ö".encode()}.get(encoding, b"\xf6")
    assert b"Fl" + letter + b"te" in out
    assert b"Fl\\xf6te" in out
    assert (b"?" in out) == (encoding != "utf-8")
    if encoding in ("ascii", "latin-1"):
        assert out.startswith(b"+ Fl" + letter + b"te ... ?")


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_and_nobodys_file_takes_their_place(tmp_path: Path, redirected: str) -> None:
    assert _run(tmp_path, "text", redirected=redirected)[0] == 0
    assert (tmp_path / "out.txt").read_text() == ""


def test_output_that_a_full_disk_does_not_take_ends_in_a_sentence(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full on this system")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "darktimbre.cli.main", "weights", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    assert "the disk is full" in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x"),
        OSError("160000 requested and 153536 written"),  # numpy's tofile
        safetensors.SafetensorError("I/O error: No space left on device (os error 28)"),
        RuntimeError("Error opening 'x': System error: Disk quota exceeded"),
    ],
)
def test_a_full_disk_is_known_by_whatever_says_so(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(folder, "import_folder", fail)
    ended = CliRunner().invoke(app, ["import", "folder", ".", "out"])
    assert (ended.exit_code, "the disk is full" in ended.stderr) == (2, True)


def test_settings_are_given_apart_or_together_and_names_may_hold_commas() -> None:
    together = ["Trumpet=0.5, Violin, fiddle=0.3", "Drum=1"]
    assert options.levels(together) == {"Trumpet": 0.5, "Violin, fiddle": 0.3, "Drum": 1.0}
    for wrong in ("Trumpet", "Trumpet=0.5, Drum", "=1", "", "Trumpet=a"):
        with pytest.raises(UserError, match="is not NAME=VALUE"):
            options.levels([wrong])


def test_weights_that_fit_no_disk_are_told_so(
    bundle: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(tensors: dict[str, torch.Tensor], file: Path, **_: object) -> None:
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", save)
    assert "the disk is full" in run("export", "bundle", bundle, tmp_path / "out", status=2)
    assert not (tmp_path / "out").exists()
