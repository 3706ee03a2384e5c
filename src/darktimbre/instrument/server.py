"""Synthesizer → browser: the page and the HTTP API. The only file that imports a web framework.

Who may send how much is decided in `admission`, `guard` and `turns`; messages are defined in `messages`.
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
from darktimbre.instrument import live, messages, turns, uploads
from darktimbre.instrument.admission import Admission, Refusal
from darktimbre.instrument.describe import describe
from darktimbre.instrument.guard import extra_headers
from darktimbre.instrument.points import nearest, points
from darktimbre.instrument.presets import Presets
from darktimbre.instrument.renderer import Busy, Renderer, RenderError
from darktimbre.instrument.sounds import Exporter, Sounds, exported
from darktimbre.instrument.turns import Places, Value, busy, collect
from darktimbre.instrument.uploads import Describer
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.words import Words

PresetName = Annotated[str, InPath(description="1 to 80 printable characters, no slash.", examples=["Dark bells"])]

_ERRORS: dict[int, str] = {
    400: "The body is no JSON.",
    401: "The token is missing or wrong.",
    403: "`Host` or `Origin` is not this server's.",
    404: "There is none of this name.",
    408: "The body did not arrive in time.",
    409: "There is no teacher to describe sounds, or no encoder.",
    413: "The body, or what it asks for, is too large.",
    415: "The body is not of the media type wanted.",
    422: "A value in the request is not possible: the sentence says which and why.",
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

# Windows takes the types of files from its registry, where any program may have changed them.
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_DESCRIBE_SECONDS = 60.0  # decoding, and the first time loading the teacher
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
            kind = _KINDS.get(Path(entry.name).suffix) or mimetypes.guess_type(entry.name)[0]
            files[entry.name] = PageFile(entry.read_bytes(), kind or "application/octet-stream")
    return files


def documented(*statuses: int, media: str = "", what: str = "") -> dict[int | str, dict[str, Any]]:
    """The answers of a route, for OpenAPI."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": messages.ErrorAnswer, "description": _ERRORS[status]} for status in sorted(set(statuses))
    }
    if media:
        answers[200] = {"description": what, "content": {media: {"schema": {"type": "string", "format": "binary"}}}}
    return answers


class _BoundedRequest(Request):
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
            return messages.strict_json(await self.body())
        except UserError as error:
            raise HTTPException(400, str(error)) from error


class _Route(APIRoute):
    """A route whose bodies are read by `_BoundedRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            return await handler(_BoundedRequest(request.scope, request.receive))

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


class Api:
    """What the routes below `/api` answer; every public method is one of them."""

    def __init__(
        self,
        instrument: Synthesizer,
        renderer: Renderer,
        *,
        admission: Admission,
        presets: Presets,
        describer: Describer | None = None,  # wave (sample,) at the instrument's rate and length, rate → description
        exporter: Exporter | None = None,  # request → a ZIP file, which is deleted once it is open
        exports: Sequence[str] = (),  # formats of the exporter
        teacher: str | None = None,  # name of the describer's teacher
    ) -> None:
        self._instrument, self._renderer, self._presets = instrument, renderer, presets
        self._describer, self._exporter, self._exports = describer, exporter, exports if exporter else ()
        self._limits = limits = admission.limits
        teacher = teacher if describer else None
        self._facts = describe(instrument, teacher=teacher, exports=self._exports, limits=limits)
        tags = instrument.attributes.names
        self._points = points(instrument.bundle.encoded, tags, instrument.latent_size).model_dump_json().encode()
        self._sounds, self._words = Sounds(renderer, limits), Words(instrument)
        self._gates = turns.gates(limits)
        self._sockets, self._bodies = Places(limits.sockets), Places(limits.uploads + 4)
        self._downloads = Places(limits.downloads)

    async def instrument_facts(self) -> messages.InstrumentAnswer:
        """What the instrument is: keys, attributes (the most responsive first), examples, limits."""
        return self._facts

    async def render(self, request: messages.RenderRequest) -> Response:
        """One note as a WAV file; keys outside the trained range are re-pitched from the nearest trained pitch."""
        content = await self._gates["renders"].run(self._sounds.one, request, seconds=self._limits.render_seconds)
        return Response(content, media_type="audio/wav")

    async def render_batch(self, request: messages.BatchRequest) -> Response:
        """Up to 128 notes as WAV files in a ZIP archive, with a manifest.json that says how each was made."""
        file = await self._archived("batches", self._limits.batch_seconds, self._sounds.batch, request)
        return _Download(file, self._downloads, "notes.zip")

    async def describe(self, request: Request) -> messages.DescriptionAnswer:
        """Labels of a sound file by the teacher, a value for every attribute, and its pitch."""
        if self._describer is None:
            raise Refusal(409, self._no_teacher())
        return await self._uploaded(request, partial(uploads.described, describer=self._describer))

    async def encode(self, request: Request) -> messages.EncodingAnswer:
        """Where a sound file lies in the latent space: latent, level, pitch, and the nearest training note."""
        if not self._instrument.encodes:
            raise Refusal(409, "This instrument has no encoder, so it cannot place a sound: use one that has.")
        return await self._uploaded(request, uploads.encoded)

    async def latent(self, request: messages.LatentRequest) -> messages.LatentAnswer:
        """The latent that a patch plays, and the training note nearest to it."""
        found = request.patch.latent_on(self._instrument)
        rounded = [round(float(value), 4) for value in found]
        return messages.LatentAnswer(latent=rounded, nearest=nearest(self._instrument.bundle.encoded, found))

    async def words(self, request: messages.WordsRequest) -> messages.WordsAnswer:
        """What a description of a sound means on this instrument; nothing is set by asking."""
        mix = await self._gates["words"].run(self._words.mix, request.text, seconds=self._limits.render_seconds)
        return messages.WordsAnswer(text=mix.text, levels=mix.levels, shares=mix.shares, by=mix.by)

    async def points(self) -> Response:
        """Training notes by their latents, to draw: at most 5,000, none in a bundle without them."""
        return Response(self._points, media_type="application/json")

    async def all_presets(self) -> messages.PresetsAnswer:
        """All presets of this instrument."""
        stored, skipped = await self._gates["presets"].run(self._presets.all, seconds=self._limits.wait_seconds)
        return messages.PresetsAnswer(presets=stored, skipped=skipped)

    async def put_preset(self, name: PresetName, patch: messages.PatchField) -> None:
        """Stores a patch under a name; one that is there already is replaced."""
        await self._gates["presets"].run(self._presets.put, name, patch, seconds=self._limits.wait_seconds)

    async def delete_preset(self, name: PresetName) -> None:
        """Forgets a preset."""
        if not await self._gates["presets"].run(self._presets.delete, name, seconds=self._limits.wait_seconds):
            raise Refusal(404, "There is no preset of this name.")

    async def export(self, request: messages.ExportRequest) -> Response:
        """The sounds of one or more patches for a sampler, as a ZIP archive."""
        if self._exporter is None or request.format not in self._exports:
            known = " or ".join(self._exports) if self._exporter else "nothing"
            raise Refusal(422, f"This server exports {known}, not {request.format}.")
        file, kind = await self._archived("exports", self._limits.export_seconds, exported, self._exporter, request)
        return _Download(file, self._downloads, request.format + kind)

    async def status(self) -> messages.StatusAnswer:
        """How busy the server is; `requests` counts those that work or wait."""
        return messages.StatusAnswer(
            renderer=self._renderer.statistics(),
            clients=self._sockets.taken,
            requests={name: gate.inside for name, gate in self._gates.items()} | {"downloads": self._downloads.taken},
        )

    async def live(self, connection: WebSocket) -> None:
        """The live connection of a page."""
        try:
            self._sockets.enter()
        except Refusal:
            full = Refusal(503, f"{self._limits.sockets} pages play already: close one.", retry_after=5)
            await connection.send_denial_response(_json(full))
            return
        try:
            await live.serve(connection.receive, connection.send, self._renderer, self._limits)
        finally:
            self._sockets.leave()

    async def _uploaded(self, request: Request, work: Callable[..., Value]) -> Value:
        """What `work` finds in a sound file that is the body of a request."""
        assert isinstance(request, _BoundedRequest)
        limits = self._limits
        with self._bodies.place():
            content = await request.collected(limits.upload_bytes, 4 * limits.body_seconds)
            if not content:
                raise Refusal(422, "The request holds no sound file: send one as its body.")
            work = partial(work, instrument=self._instrument, seconds=limits.decode_seconds)
            return await self._gates["uploads"].run(work, content, seconds=_DESCRIBE_SECONDS)

    def _no_teacher(self) -> str:
        if self._facts.styles:
            return "This instrument's sliders are styles, which no teacher predicts: send the sound to /api/encode."
        return "There is no teacher here: start `darktimbre play` with a --teacher."

    async def _archived(self, gate: str, seconds: float, work: Callable[..., Value], *arguments: Any) -> Value:
        """What `work` makes, with a place among the downloads that whoever sends it gives back."""
        self._downloads.enter()
        try:
            return await self._gates[gate].run(work, *arguments, seconds=seconds)
        except BaseException:
            self._downloads.leave()
            raise


def app(
    instrument: Synthesizer,
    renderer: Renderer,
    *,
    admission: Admission,
    page: Mapping[str, PageFile] | None = None,
    **others: Any,
) -> FastAPI:
    """The whole server as an ASGI application, but for the guard around it (`serving.server` puts it there).

    Args:
        instrument, renderer, admission, others: those of `Api`.
        page: the page's files by name; those of this package if left out.
    """
    api, files = Api(instrument, renderer, admission=admission, **others), page_files() if page is None else page
    served = FastAPI(
        title="darktimbre",
        version=__version__,
        description="An instrument, for scripts. The live connection of the page is a WebSocket; see docs/http.md.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    served.state.limits = admission.limits

    @served.get("/", include_in_schema=False)
    async def index() -> Response:
        return _page(files, "index.html")

    @served.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        return _page(files, name)

    served.include_router(_routes(api))
    served.add_api_websocket_route("/api/live", api.live)
    _answer_errors(served)
    return served


def _routes(api: Api) -> APIRouter:
    token = HTTPBearer(description="What stands behind `#token=` in the link that is printed.", auto_error=False)
    router = APIRouter(prefix="/api", route_class=_Route, dependencies=[Depends(token)])

    def add(
        method: str, path: str, answer: Callable[..., Any], *statuses: int, media: str = "", what: str = "", **more: Any
    ) -> None:
        more |= {"response_class": Response} if media else {}
        responses = documented(*statuses, media=media, what=what)
        router.add_api_route(path, answer, methods=[method], responses=responses, **more)

    empty: dict[str, Any] = {"status_code": 204, "response_class": Response}
    archive = "application/zip"
    add("GET", "/instrument", api.instrument_facts, *READING)
    add("POST", "/render", api.render, *SENDING, media="audio/wav", what="The sound.")
    add("POST", "/render/batch", api.render_batch, *SENDING, media=archive, what="WAV files and a manifest.json.")
    add("PUT", "/describe", api.describe, *SENDING, 409, openapi_extra=SOUND_FILE)
    add("PUT", "/encode", api.encode, *SENDING, 409, openapi_extra=SOUND_FILE)
    add("POST", "/latent", api.latent, *SENDING)
    add("POST", "/words", api.words, *SENDING)
    add("GET", "/points", api.points, *READING, response_model=messages.PointsAnswer)
    add("GET", "/presets", api.all_presets, *READING, 422, 503)
    add("PUT", "/presets/{name:path}", api.put_preset, *SENDING, **empty)
    add("DELETE", "/presets/{name:path}", api.delete_preset, *READING, 404, 422, 503, **empty)
    add("POST", "/export", api.export, *SENDING, media=archive, what="What a sampler reads.")
    add("GET", "/status", api.status, *READING)
    return router


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
        RequestValidationError: lambda error: Refusal(422, messages.first_error(error.errors())),
        StarletteHTTPException: lambda error: Refusal(
            error.status_code, unknown.get(error.status_code, str(error.detail))
        ),
        Busy: lambda error: busy(),
        TimeoutError: lambda error: Refusal(504, "It was not rendered in time: ask for less at once.", retry_after=5),
        RenderError: lambda error: Refusal(500, "This sound could not be rendered; the terminal says why."),
    }

    def handler(translate: Callable[[Any], Refusal]) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(_: Request, error: Exception) -> Response:
            if isinstance(error, RenderError):
                _log.error("A sound could not be rendered.", exc_info=error)
            return _json(translate(error))

        return handle

    for kind, translate in answers.items():
        served.add_exception_handler(kind, handler(translate))
