"""The entry: help without torch, the nearest verb for a wrong one, one sentence for what the user can mend."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import darktimbre
from darktimbre.cli import console
from darktimbre.cli.main import VERBS, app, load
from darktimbre.notes.errors import UserError

_HELP = """
import sys, time
from darktimbre.cli.main import main
sys.argv = ["darktimbre", *sys.argv[1:], "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
heavy = {"torch", "numpy", "matplotlib", "pyarrow", "lightning_fabric", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
print("seconds", time.process_time())
"""

_EVERY_HELP = """
import sys
from typer.testing import CliRunner
from darktimbre.cli.main import VERBS, app, load
for verb in VERBS:
    for words in [(), *((name,) for name in getattr(load(verb), "commands", {}))]:
        ended = CliRunner().invoke(app, [verb.name, *words, "--help"])
        assert ended.exit_code == 0, (verb.name, words, ended.exception)
    heavy = {"torch", "numpy", "matplotlib", "pyarrow"} & set(sys.modules)
    assert not heavy, (verb.name, heavy)
"""

_MAPPED = """
import ctypes
from darktimbre.cli import allocator
import sys
class Info(ctypes.Structure):  # struct mallinfo2 of malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]
libc = ctypes.CDLL(None)
try:
    libc.mallinfo2.restype = Info
except AttributeError:
    print("old"); sys.exit()
libc.malloc.restype = ctypes.c_void_p
tuned = allocator.tune() if sys.argv[1] == "tuned" else None
before = libc.mallinfo2().hblkhd
libc.malloc(ctypes.c_size_t(128 << 20))
print(tuned, libc.mallinfo2().hblkhd - before >= 128 << 20)
"""


def _python(code: str, *arguments: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    printed = _python(_HELP)
    best = min(float(one.split()[-1]) for one in (printed, _python(_HELP)))
    # Of processor time, which the load of other processes hardly changes.
    least = float(_python("import time, typer, rich.console, rich.progress; print(time.process_time())"))
    assert best < max(0.4, 2 * least)
    for verb in VERBS:
        assert verb.name in printed


def test_help_of_every_verb_loads_none_of_the_rooms_it_calls() -> None:
    _python(_EVERY_HELP)


def test_a_lazy_module_is_loaded_by_its_first_use_and_is_the_one_that_others_have() -> None:
    _python("""
import importlib, sys
from darktimbre.cli.lazy import LazyModule, lazy_rooms
with lazy_rooms():
    from darktimbre.notes import attributes
    from darktimbre.notes.pitch import note_name  # a name is looked up at once
assert isinstance(attributes, LazyModule)
assert "darktimbre.notes.attributes" not in sys.modules and "darktimbre.notes.pitch" in sys.modules
assert note_name(60) == "C4"
assert attributes.Attributes is importlib.import_module("darktimbre.notes.attributes").Attributes
assert not any(isinstance(module, LazyModule) for module in sys.modules.values())
""")


def test_large_blocks_are_mapped_without_tuning_and_not_with_it() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only glibc has this allocator")
    plain = _python(_MAPPED, "plain").split()
    if plain == ["old"]:
        pytest.skip("this C library has no mallinfo2")
    assert plain == ["None", "True"]
    assert _python(_MAPPED, "tuned").split() == ["True", "False"]


def test_every_verb_loads_and_has_help_of_its_own() -> None:
    for verb in VERBS:
        command = load(verb)
        assert command.name == verb.name
        assert command.help, verb.name


def test_the_version_and_an_unknown_verb() -> None:
    printed = CliRunner().invoke(app, ["--version"])
    assert (printed.exit_code, printed.output.strip()) == (0, f"darktimbre {darktimbre.__version__}")
    wrong = CliRunner().invoke(app, ["sinth"])
    assert wrong.exit_code == 2
    assert "Did you mean 'synth'?" in wrong.output


def test_no_arguments_are_help() -> None:
    assert "Sounds in" in CliRunner().invoke(app, []).output


def test_what_the_user_can_mend_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["synth", "scale", str(tmp_path / "none"), str(tmp_path / "out")])
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert "There is no bundle at" in ended.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (UserError("Do it so."), 2, "Do it so."),
        (KeyboardInterrupt(), 130, "Stopped on your request."),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/.corpus.4711.partial"),
            2,
            "/a/corpus cannot be used: you may not read or write there; name another place, or change its permissions.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "A file cannot be used: the disk is full; make room, or name a place on another one.",
        ),
    ],
)
def test_sentences(error: BaseException, status: int, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, console.sentences():
        raise error
    assert ended.value.exit_code == status
    assert " ".join(capsys.readouterr().err.split()) == sentence


def test_bugs_are_not_hidden() -> None:
    for bug in (ZeroDivisionError(), OSError(errno.EBADF, "Bad file descriptor")):
        with pytest.raises(type(bug)), console.sentences():
            raise bug


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = CliRunner().invoke(app, ["render", str(tmp_path / "file" / "c"), "--builtin", "--limit", "1"])
    assert ended.exit_code == 2
    assert "a part of that path is a file" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_brackets_in_names_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("sounds [bold] /a/[red]b")
    assert capsys.readouterr().out == "sounds [bold] /a/[red]b\n"
