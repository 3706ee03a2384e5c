"""Synthesizer → browser: the page and the HTTP API. The only file that knows a web framework.

Who may ask and how much is decided in `admission`, `guard` and `turns`; what is said, in `messages`.
"""

import logging
import mimetypes
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi import Path as InPath
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException

from darktimbre import __version__
from darktimbre.instrument import live, turns, uploads
from darktimbre.instrument import messages as said
from darktimbre.instrument.admission import Admission, Refusal
from darktimbre.instrument.describe import describe
from darktimbre.instrument.guard import extra_headers
from darktimbre.instrument.presets import Presets
from darktimbre.instrument.renderer import Busy, Renderer, RenderError
from darktimbre.instrument.sounds import Exporter, Sounds, exported
from darktimbre.instrument.turns import Places, Value, busy, collect
from darktimbre.instrument.uploads import Listener
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

PresetName = Annotated[str, InPath(description="1 to 80 printable characters, no slash.", examples=["Dark bells"])]

_ERRORS: dict[int, str] = {
    400: "The body is no JSON.",
    401: "The token is missing or wrong.",
    403: "`Host` or `Origin` is not this server's.",
    404: "There is none of this name.",
    408: "The body did not arrive in time.",
    409: "Nobody is there to listen.",
    413: "The body, or what it asks for, is too large.",
    415: "The body is not of the media type wanted.",
    422: "Something in the request cannot be: the sentence says what.",
    503: "Too many requests at once: `Retry-After` says when to come again.",
    504: "It took too long.",
}
READING, SENDING = (401, 403), (400, 401, 403, 408, 413, 415, 422, 503, 504)
"""What may go wrong wherever something is read, and wherever something is sent."""
SOUND_FILE = {
    "requestBody": {
        "required": True,
        "description": "A sound file of any format that libsndfile reads.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

_LISTEN_SECONDS = 60.0  # decoding, and the first time loading the teacher
_log = logging.getLogger(__name__)


class PageFile(NamedTuple):
    """One file of the page, in memory."""

    content: bytes
    kind: str


def page_files(folder: Any = None) -> dict[str, PageFile]:
    """The page's files by name, read once; what is no plain file directly in the folder is left out."""
    root = resources.files("darktimbre.instrument") / "page" if folder is None else folder
    files = {}
    for entry in root.iterdir():
        if entry.is_file() and not (isinstance(entry, Path) and entry.is_symlink()) and not entry.name.startswith("."):
            kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            files[entry.name] = PageFile(entry.read_bytes(), "text/javascript" if entry.name.endswith(".js") else kind)
    return files


def documented(*statuses: int, media: str = "", what: str = "") -> dict[int | str, dict[str, Any]]:
    """The answers of a route, for OpenAPI."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": said.ErrorAnswer, "description": _ERRORS[status]} for status in sorted(set(statuses))
    }
    if media:
        told[200] = {"description": what, "content": {media: {"schema": {"type": "string", "format": "binary"}}}}
    return told


class _Asked(Request):
    """A request whose body is read within its limits, and as strict JSON."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            limits = self.app.state.limits
            self._body = await self.collected(limits.json_bytes, limits.body_seconds)
        return self._body

    async def collected(self, limit: int, seconds: float) -> bytes:
        """The whole body, of at most `limit` bytes, arriving within `seconds`."""
        declared = self.headers.get("content-length", "")
        try:
            return await collect(self.stream(), int(declared) if declared.isdecimal() else None, limit, seconds)
        except Refusal as refusal:
            raise _http(refusal) from refusal  # the one error that the framework lets through here

    async def json(self) -> Any:
        try:
            return said.strict_json(await self.body())
        except UserError as error:
            raise HTTPException(400, str(error)) from error


class _Route(APIRoute):
    """A route whose bodies are read by `_Asked`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            return await handler(_Asked(request.scope, request.receive))

        return serve


def _http(refusal: Refusal) -> HTTPException:
    return HTTPException(refusal.status, refusal.sentence, extra_headers(refusal))


class _Download(StreamingResponse):
    """An archive on its way; file and place are given back whatever becomes of it."""

    def __init__(self, file: IO[bytes], places: Places, name: str) -> None:
        def chunks() -> Iterator[bytes]:
            while chunk := file.read(1 << 16):
                yield chunk

        length = os.fstat(file.fileno()).st_size
        headers = {"content-length": str(length), "content-disposition": f'attachment; filename="{name}"'}
        super().__init__(chunks(), media_type="application/zip", headers=headers)
        self._file, self._places = file, places

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._places.leave()


def app(
    instrument: Synthesizer,
    renderer: Renderer,
    *,
    admission: Admission,
    presets: Presets,
    listener: Listener | None = None,
    exporter: Exporter | None = None,
    exports: Sequence[str] = (),
    teacher: str | None = None,
    page: Mapping[str, PageFile] | None = None,
) -> FastAPI:
    """The whole server as an ASGI application, but for the guard around it (`serving.server` puts it there).

    Args:
        instrument: what is played.
        renderer: of this instrument.
        admission: whose limits hold.
        presets: of this instrument.
        listener: wave (sample,) at the instrument's rate and length, rate → what is heard; None: nobody listens.
        exporter: request → a ZIP file, which is deleted once it is open; None: nothing is exported.
        exports: formats that the exporter knows.
        teacher: who listens.
        page: the page's files by name; those of this package if left out.
    """
    limits = admission.limits
    files = page_files() if page is None else page
    facts = describe(
        instrument, teacher=teacher if listener else None, exports=exports if exporter else (), limits=limits
    )
    sounds = Sounds(renderer, limits)
    gates = turns.gates(limits)
    sockets, bodies, downloads = Places(limits.sockets), Places(limits.listens + 4), Places(limits.downloads)
    served = FastAPI(
        title="darktimbre",
        version=__version__,
        description="An instrument, for scripts. The live connection of the page is a WebSocket; see docs/http.md.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    served.state.limits = limits
    token = HTTPBearer(description="What stands behind `#token=` in the link that is printed.", auto_error=False)
    api = APIRouter(prefix="/api", route_class=_Route, dependencies=[Depends(token)])

    async def archived(gate: str, seconds: float, work: Callable[..., Value], *asked: Any) -> Value:
        """What `work` makes, with a place among the downloads that whoever sends it gives back."""
        downloads.enter()
        try:
            return await gates[gate].run(work, *asked, seconds=seconds)
        except BaseException:
            downloads.leave()
            raise

    @api.get("/instrument", responses=documented(*READING))
    async def instrument_facts() -> said.InstrumentAnswer:
        """What the instrument is: keys, attributes (the most responsive first), examples, limits."""
        return facts

    @api.post("/render", response_class=Response, responses=documented(*SENDING, media="audio/wav", what="The sound."))
    async def render(asked: said.RenderRequest) -> Response:
        """One note as a WAV file; keys outside the trained range are re-pitched from the nearest trained pitch."""
        content = await gates["renders"].run(sounds.one, asked, seconds=limits.render_seconds)
        return Response(content, media_type="audio/wav")

    @api.post(
        "/render/batch",
        response_class=Response,
        responses=documented(*SENDING, media="application/zip", what="WAV files and a manifest.json."),
    )
    async def render_batch(asked: said.BatchRequest) -> Response:
        """Up to 128 notes as WAV files in a ZIP archive, with a manifest.json that tells how each was made."""
        file = await archived("batches", limits.batch_seconds, sounds.batch, asked)
        return _Download(file, downloads, "notes.zip")

    @api.put("/listen", openapi_extra=SOUND_FILE, responses=documented(*SENDING, 409))
    async def listen(request: Request) -> said.HeardAnswer:
        """What the teacher hears in the beginning of a sound file: a value for every attribute, and the pitch."""
        if listener is None:
            raise Refusal(409, "Nobody listens here: start `darktimbre play` with a --teacher.")
        assert isinstance(request, _Asked)
        with bodies.place():
            content = await request.collected(limits.upload_bytes, 4 * limits.body_seconds)
            if not content:
                raise Refusal(422, "The request holds no sound file: send one as its body.")
            hear = partial(uploads.heard, listener=listener, instrument=instrument, seconds=limits.decode_seconds)
            heard = await gates["listens"].run(hear, content, seconds=_LISTEN_SECONDS)
        return said.HeardAnswer(attributes=heard.levels, pitch=heard.pitch, teacher=heard.teacher)

    @api.get("/presets", responses=documented(*READING, 422, 503))
    async def all_presets() -> said.PresetsAnswer:
        """All presets of this instrument."""
        stored, skipped = await gates["presets"].run(presets.all, seconds=limits.wait_seconds)
        return said.PresetsAnswer(presets=stored, skipped=skipped)

    @api.put("/presets/{name:path}", status_code=204, response_class=Response, responses=documented(*SENDING))
    async def put_preset(name: PresetName, patch: said.PatchField) -> None:
        """Stores a patch under a name; one that is there already is replaced."""
        await gates["presets"].run(presets.put, name, patch, seconds=limits.wait_seconds)

    @api.delete(
        "/presets/{name:path}", status_code=204, response_class=Response, responses=documented(*READING, 404, 422, 503)
    )
    async def delete_preset(name: PresetName) -> None:
        """Forgets a preset."""
        if not await gates["presets"].run(presets.delete, name, seconds=limits.wait_seconds):
            raise Refusal(404, "There is no preset of this name.")

    @api.post(
        "/export",
        response_class=Response,
        responses=documented(*SENDING, media="application/zip", what="What a sampler reads."),
    )
    async def export(asked: said.ExportRequest) -> Response:
        """The sounds of one or more patches for a sampler, as a ZIP archive."""
        if exporter is None or asked.format not in exports:
            known = " or ".join(exports) if exporter else "nothing"
            raise Refusal(422, f"This server exports {known}, not {asked.format}.")
        file, kind = await archived("exports", limits.export_seconds, exported, exporter, asked)
        return _Download(file, downloads, asked.format + kind)

    @api.get("/status", responses=documented(*READING))
    async def status() -> said.StatusAnswer:
        """How busy the server is; `requests` counts those that work or wait."""
        return said.StatusAnswer(
            renderer=renderer.statistics(),
            clients=sockets.taken,
            requests={name: gate.inside for name, gate in gates.items()} | {"downloads": downloads.taken},
        )

    @served.websocket("/api/live")
    async def live_connection(connection: WebSocket) -> None:
        try:
            sockets.enter()
        except Refusal:
            full = Refusal(503, f"{limits.sockets} pages play already: close one.", retry_after=5)
            await connection.send_denial_response(_json(full))
            return
        try:
            await live.serve(connection.receive, connection.send, renderer, limits)
        finally:
            sockets.leave()

    @served.get("/", include_in_schema=False)
    async def index() -> Response:
        return _page(files, "index.html")

    @served.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        return _page(files, name)

    served.include_router(api)
    _answer_errors(served)
    return served


def _page(files: Mapping[str, PageFile], name: str) -> Response:
    file = files.get(name)
    if file is None:
        raise Refusal(404, "There is no such page: open the link that `darktimbre play` printed.")
    return Response(file.content, media_type=file.kind, headers={"cache-control": "no-cache"})


def _json(refusal: Refusal) -> JSONResponse:
    return JSONResponse({"error": refusal.sentence}, refusal.status, extra_headers(refusal))


def _answer_errors(served: FastAPI) -> None:
    """Every error becomes one sentence as JSON."""
    unknown = {404: "There is nothing here: see docs/http.md.", 405: "That cannot be done here: see docs/http.md."}
    answers: dict[type[Exception], Callable[[Any], Refusal]] = {
        Refusal: lambda error: error,
        UserError: lambda error: Refusal(422, str(error)),
        RequestValidationError: lambda error: Refusal(422, said.told(error.errors())),
        StarletteHTTPException: lambda error: Refusal(
            error.status_code, unknown.get(error.status_code, str(error.detail))
        ),
        Busy: lambda error: busy(),
        TimeoutError: lambda error: Refusal(504, "It was not rendered in time: ask for less at once.", retry_after=5),
        RenderError: lambda error: Refusal(500, "This sound could not be rendered; the terminal tells why."),
    }

    def handler(translate: Callable[[Any], Refusal]) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(_: Request, error: Exception) -> Response:
            if isinstance(error, RenderError):
                _log.error("A sound could not be rendered.", exc_info=error)
            return _json(translate(error))

        return handle

    for kind, translate in answers.items():
        served.add_exception_handler(kind, handler(translate))
