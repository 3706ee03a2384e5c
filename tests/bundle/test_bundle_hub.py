"""`hub push` sends a bundle whole, with a complete card, to a hub that is a small server on this machine."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from tests.bundle.tiny import tiny_bundle
from tests.conftest import Run

from darktimbre.bundle import hub
from darktimbre.bundle.bundle import Bundle
from darktimbre.notes.errors import UserError

TOKEN = "hf_secret"


class Hub(ThreadingHTTPServer):
    """Answers what a push asks as the hub does; keeps files, small ones as committed, large ones by their digests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] | None = None  # None: there is no repository
        self.objects: dict[str, bytes] = {}
        self.status = 0  # answers this, where set
        self.private: object = None
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self._begins():
            return
        files = self.server.files
        if files is None:
            self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in self.path:
            self._answer(200, [{"type": "file", "path": one, "size": len(x), "oid": "0"} for one, x in files.items()])
        else:
            self._answer(200, {"id": "me/bell", "sha": "0" * 40, "siblings": [{"rfilename": one} for one in files]})

    def do_PUT(self) -> None:
        self.server.objects[self.path.rpartition("/")[2]] = self._body()
        self._answer(200, {})

    def do_POST(self) -> None:
        body = self._body()
        if self._begins():
            return
        if self.path == "/api/repos/create":
            asked = json.loads(body)  # earlier and later clients
            self.server.private = asked.get("private") or asked.get("visibility") == "private"
            self.server.files = {".gitattributes": b""}
            self._answer(200, {"url": f"{self.server.address}/me/bell", "id": "me/bell"})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            kinds = [{"path": one["path"], "uploadMode": _mode(one["path"]), "shouldIgnore": False} for one in asked]
            self._answer(200, {"files": kinds})
        elif self.path.endswith("/info/lfs/objects/batch"):
            asked = json.loads(body)["objects"]
            where = {"upload": {"href": f"{self.server.address}/stored/{{}}"}}
            objects = [
                {**one, "actions": {"upload": {"href": where["upload"]["href"].format(one["oid"])}}} for one in asked
            ]
            self._answer(200, {"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._answer(200, {})

    def _commit(self, lines: list[dict]) -> None:
        files = self.server.files
        assert files is not None
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        made = {"commitUrl": f"{self.server.address}/me/bell/commit/1", "commitOid": "1" * 40, "success": True}
        self._answer(200, made)

    def _begins(self) -> bool:
        self.server.asked.append(self.path)
        assert self.headers["authorization"] == f"Bearer {TOKEN}"
        if self.server.status:
            self._answer(self.server.status, {"error": "no"})
        return bool(self.server.status)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _answer(self, status: int, data: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _mode(name: str) -> str:
    return "lfs" if name.endswith(".safetensors") else "regular"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # the client's other protocol of uploads
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    one = Hub()
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


def _saved(folder: Path) -> Path:
    bundle = tiny_bundle()
    bundle.config["provenance"] = {"corpus": {"name": "bells", "licence": "CC0"}, "title": "bell"}
    bundle.config["metrics"] = {
        "evaluation": {"corpus": "bells", "notes": 3, "coverage": {"value": 0.5, "spread": 0.1}}
    }
    path = bundle.save_pretrained(folder / "bell")
    (path / "notes.txt").write_text("my own")
    return path


def _header(card: bytes) -> dict:
    return yaml.safe_load(card.decode().split("---")[1])


def test_what_arrives_is_the_same_instrument_with_a_complete_card(server: Hub, tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    said = hub.push(hub.prepare(str(folder), "me/bell"), private=True, endpoint=server.address)
    assert (said, server.private) == (f"{server.address}/me/bell", True)
    assert server.files is not None
    assert set(server.files) == {".gitattributes", "README.md", "config.json", "model.safetensors"}
    arrived = tmp_path / "arrived"
    arrived.mkdir()
    for name, content in server.files.items():
        (arrived / name).write_bytes(content)
    assert Bundle.from_pretrained(arrived).digest == Bundle.from_pretrained(folder).digest
    header = _header(server.files["README.md"])
    assert (header["license"], header["library_name"], header["pipeline_tag"]) == ("cc0-1.0", "darktimbre", hub.TASK)
    assert "darktimbre" in header["tags"]
    (result,) = header["model-index"][0]["results"]
    assert (result["dataset"]["name"], result["metrics"][0]["value"]) == ("bells", 0.5)
    assert 'from_pretrained("me/bell")' in server.files["README.md"].decode()


def test_a_second_push_replaces_the_first_and_what_it_no_longer_has(server: Hub, tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    server.files = {"config.json": b"{}", "encoder.safetensors": b"old", "photo.png": b"mine"}
    hub.push(hub.prepare(str(folder), "me/bell"), endpoint=server.address)
    assert set(server.files) == {"README.md", "config.json", "model.safetensors", "photo.png"}


def test_something_else_under_this_name_stays_as_it_is(server: Hub, tmp_path: Path) -> None:
    server.files = {"pytorch_model.bin": b"theirs"}
    with pytest.raises(UserError, match="no bundle: choose another name"):
        hub.push(hub.prepare(str(_saved(tmp_path)), "me/bell"), endpoint=server.address)
    assert server.files == {"pytorch_model.bin": b"theirs"}


@pytest.mark.parametrize(
    ("status", "sentence"), [(401, "hf auth login"), (403, "hf auth login"), (422, "answered 422")]
)
def test_a_refusal_is_one_sentence_without_the_token(server: Hub, tmp_path: Path, status: int, sentence: str) -> None:
    server.files, server.status = {}, status
    with pytest.raises(UserError, match=sentence) as caught:
        hub.push(hub.prepare(str(_saved(tmp_path)), "me/bell"), endpoint=server.address)
    assert TOKEN not in str(caught.value)
    assert len(str(caught.value)) < 150


def test_a_hub_that_is_not_there_is_one_sentence(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # between the client's tries
    upload = hub.prepare(str(_saved(tmp_path)), "me/bell")
    with pytest.raises(UserError, match="cannot be reached"):
        hub.push(upload, endpoint="http://127.0.0.1:9")


def test_without_a_login_nothing_is_asked(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(UserError, match="hf auth login"):
        hub.push(hub.prepare(str(_saved(tmp_path)), "me/bell"), endpoint=server.address)
    assert server.asked == []


def test_a_dry_run_lists_and_sends_nothing(server: Hub, tmp_path: Path, run: Run) -> None:
    said = run("hub", "push", _saved(tmp_path), "me/bell", "--dry-run", "--licence", "CC-BY-4.0")
    for part in ("model.safetensors", "licence cc-by-4.0", "1 figure(s)", "Nothing was sent to me/bell"):
        assert part in said
    assert server.asked == []


def test_what_cannot_be_sent_is_one_sentence(tmp_path: Path, run: Run) -> None:
    folder = _saved(tmp_path)
    assert "no name of a repository" in run("hub", "push", folder, "bell", status=2)
    bundle = tiny_bundle()
    bundle.config["provenance"] = {}
    nameless = bundle.save_pretrained(tmp_path / "nameless")
    assert "names no licence" in run("hub", "push", nameless, "me/bell", status=2)
    (folder / "model.safetensors").write_bytes(b"broken")
    assert "model.safetensors" in run("hub", "push", folder, "me/bell", status=2)
