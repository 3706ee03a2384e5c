"""Nothing leaves the machine, no usage is reported, and nothing is written outside the folders that are named.

onnxruntime's telemetry, which its import alone would start, is switched off before that.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.training.tiny import make_corpus, tiny_recipe

from darktimbre.export.player import PlayerReport
from darktimbre.training.recipe import dump_recipe

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


CALLS = "socket,connect,bind,sendto,sendmsg,sendmmsg,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2"
FREE = ("/dev/", "/proc/", "/sys/")  # no files of a disk
COMMAND = [sys.executable, "-m", "darktimbre.cli.main"]


def _traced(work: Path, command: list[str], *, until: str = "") -> str:
    """The system calls of a command and all its processes that reach out or write, in a network namespace of its own.

    With `until`, the command is ended by SIGINT once its output holds that.
    """
    trace = work.parent / "trace"
    homes = {name: str(work / "home") for name in ("HOME", "TMPDIR", "DARKTIMBRE_HOME")}
    (work / "home").mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_", "MPL", "HF_"))}
    environment = {
        **kept,
        **homes,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(trace), "--", *command]
    inside = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *tracer]
    with subprocess.Popen(
        inside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=work
    ) as process:  # fmt: skip
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if until and until in line:
                subprocess.run(["pkill", "-INT", "-P", str(process.pid)], check=False)
    assert process.returncode in (0, 130 if until else 0), printed
    assert until in printed
    return trace.read_text(errors="replace")


def _refuse_reaching_out(trace: str, work: Path) -> None:
    for line in trace.splitlines():
        if "sa_family=AF_INET" in line:
            assert re.search(r'inet_addr\("127\.|"::1"', line), line
        assert "sa_family=AF_NETLINK" not in line or "bind" in line, line
        if written := re.search(r'(?:openat?2?|creat)\((?:[^,"]*, )?"([^"]*)".*(?:O_WRONLY|O_RDWR|O_CREAT)', line):
            path = os.path.normpath(work / written[1])
            assert path.startswith((str(work), *FREE)), line
        if made := re.search(r'(?:mkdir|rename)[a-z0-9]*\((?:[^,"]*, )?"([^"]*)".*= 0$', line):
            assert os.path.normpath(work / made[1]).startswith(str(work)), line


@pytest.fixture(scope="module")
def _traceable() -> None:
    if not all(map(shutil.which, ("strace", "unshare", "ip", "pkill"))):
        pytest.skip("strace, unshare, ip or pkill is not installed")
    if subprocess.run(["unshare", "-rn", "strace", "-qq", "-o", os.devnull, "true"], check=False).returncode:
        pytest.skip("this system lets no process make a network namespace, or trace one")


@pytest.mark.usefixtures("_traceable")
@pytest.mark.parametrize("verb", ["synth", "export", "play", "train"])
def test_no_socket_leaves_this_machine_and_no_file_is_written_elsewhere(
    verb: str, bundle: Path, tmp_path: Path
) -> None:
    work, until = tmp_path / "work", ""
    work.mkdir()
    words = {
        "synth": ["synth", "random", str(bundle), "out", "--count", "1", "--picture", "out/p.png"],
        "export": ["export", "onnx", str(bundle), "out.onnx"],
        "play": ["play", str(bundle), "--no-open", "--port", "0", "--runtime", "torch"],
        "train": ["train", "recipe.yaml", "--corpus", "corpus", "--run", "run"],
    }[verb]
    if verb == "export":
        pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
    if verb == "train":
        make_corpus(work / "corpus")
        (work / "recipe.yaml").write_text(dump_recipe(tiny_recipe()))
    if verb == "play":
        until = "Playing"
    trace = _traced(work, [*COMMAND, *words], until=until)
    assert "O_CREAT" in trace or verb == "play"
    _refuse_reaching_out(trace, work)


def test_the_check_itself_sees_what_reaches_out(tmp_path: Path) -> None:
    for line in (
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 ENETUNREACH',
        '7 openat(AT_FDCWD, "/root/.cache/x", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3',
        '7 mkdir("/root/.cache", 0777) = 0',
    ):
        with pytest.raises(AssertionError):
            _refuse_reaching_out(line, tmp_path)
    _refuse_reaching_out(f'7 openat(AT_FDCWD, "{tmp_path}/a", O_RDWR|O_CREAT, 0666) = 3', tmp_path)
