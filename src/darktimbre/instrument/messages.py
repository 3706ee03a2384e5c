"""Messages between the page (or a script) and the server: JSON read strictly, its models, and the binary note."""

import json
import math
import struct
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema

from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000  # Hz
LONGEST = 400  # characters of an error, which may hold what was sent


def strict_json(body: bytes | str) -> Any:
    """JSON as RFC 8259 has it, and no more: no NaN or Infinity, no name twice, no number that a float cannot hold.

    Raises:
        UserError: it is not that, or is nested deeper than Python can follow.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_float, parse_int=_integer, object_pairs_hook=_once
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError("The request is not valid JSON in UTF-8: check its quotes, commas and brackets.") from error


def _refuse_constant(word: str) -> None:
    raise UserError(f"{word} is not JSON: give a finite number.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise UserError("A number is larger than can be computed with: give a smaller one.")
    return value


def _integer(text: str) -> int:
    if len(text) > 20:
        raise UserError("A number is larger than can be computed with: give a smaller one.")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise UserError("A name is given twice in one JSON object: give it once.")
    return read


# --- patches inside messages ---


def _patch(data: Any) -> Patch:
    try:
        return data if isinstance(data, Patch) else Patch.from_json(data)
    except UserError as error:
        raise ValueError(str(error)) from error


PATCH_EXAMPLE: Any = {"attributes": {}, "seed": 7, "pad": [0.25, 0.0]}
_PATCH_SCHEMA: Any = Patch.model_json_schema()
PatchField = Annotated[
    Patch,
    BeforeValidator(_patch),
    WithJsonSchema({**_PATCH_SCHEMA, "title": "Patch", "examples": [PATCH_EXAMPLE]}),
]


class Message(BaseModel):
    """The manners of all messages: unknown names are errors, and nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Midi = Annotated[int, Field(ge=0, le=127, strict=True, description="MIDI number of a key.")]
Velocity = Annotated[int, Field(ge=1, le=127, strict=True, description="The gain is (velocity / 127)².")]
Rate = Annotated[
    int,
    Field(ge=LOWEST_RATE, le=HIGHEST_RATE, strict=True, description="Samples a second; the instrument's own if null."),
]
Bits = Annotated[Literal[16, 32], Field(description="16-bit integers, or 32-bit floating point.")]


# --- requests ---


class RenderRequest(Message):
    """One note. Keys outside the trained range are re-pitched from the nearest trained pitch."""

    patch: PatchField = Patch()
    pitch: Midi = 60
    velocity: Velocity = 127
    rate: Rate | None = None
    bits: Bits = 32
    format: Literal["wav"] = "wav"

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"patch": PATCH_EXAMPLE, "pitch": 60, "rate": 48000, "bits": 16}]}
    )


class BatchNote(Message):
    """One note of a batch."""

    patch: PatchField = Patch()
    pitch: Midi = 60
    velocity: Velocity = 127


class BatchRequest(Message):
    """Several notes, answered as one ZIP archive of WAV files and a manifest.json."""

    notes: Annotated[tuple[BatchNote, ...], Field(min_length=1, max_length=128)]
    rate: Rate | None = None
    bits: Bits = 32

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"notes": [{"pitch": 60}, {"patch": {"seed": 3}, "pitch": 61}], "bits": 16}]}
    )


class ExportRequest(Message):
    """Sounds for a sampler, answered as a ZIP archive."""

    format: Annotated[str, Field(pattern="^[a-z]{1,20}$")] = "sfz"  # one of `exports` of `/api/instrument`
    # one, or several that the arrangement puts side by side
    patches: Annotated[tuple[PatchField, ...], Field(min_length=1, max_length=12)] = (Patch(),)
    # of several patches: chosen by low keys, by velocity, or sounding together
    arrangement: Literal["keyswitch", "velocity", "layers"] = "keyswitch"
    velocity_layers: Annotated[int, Field(ge=1, le=5, strict=True)] = 1  # of one patch
    title: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f/\\]*$")] = ""  # what the sampler calls it
    step: Annotated[int, Field(ge=1, le=12, strict=True)] = 1  # semitones from sample to sample
    rate: Rate | None = None  # of the samples; the format's own if null
    bits: Literal[16, 24] | None = None
    loops: bool = True  # look for loop points
    normalise: Literal["peak", "none"] = "peak"  # bring the loudest sample to full level, or leave all levels
    # whose rules for names and lengths `wavs` follows
    hardware: Annotated[str, Field(pattern="^[a-z0-9-]{1,30}$")] = "generic"

    model_config = ConfigDict(json_schema_extra={"examples": [{"format": "sfz", "patches": [PATCH_EXAMPLE]}]})


class LatentRequest(Message):
    """A patch whose latent is wanted: that of its seed and pad, or the one it holds."""

    patch: PatchField = Patch()

    model_config = ConfigDict(json_schema_extra={"examples": [{"patch": PATCH_EXAMPLE}]})


class WordsRequest(Message):
    """A description of a sound, in English, of at most 200 characters."""

    text: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "drum"}]})


class PatchMessage(Message):
    """Live: from now on, this is the patch; its notes are sent nearest to `near` first."""

    type: Literal["patch"]
    generation: Annotated[int, Field(ge=0, lt=2**32, strict=True)]
    patch: PatchField
    rate: Rate = 48_000
    near: Midi = 60


class NearMessage(Message):
    """Live: playing goes on around this pitch."""

    type: Literal["near"]
    pitch: Annotated[float, Field(ge=0, le=127, allow_inf_nan=False)]


Live = Annotated[PatchMessage | NearMessage, Field(discriminator="type")]
_LIVE: TypeAdapter[PatchMessage | NearMessage] = TypeAdapter(Live)


def live_message(text: str) -> PatchMessage | NearMessage:
    """A message of a live client. Raises UserError: it is none."""
    data = strict_json(text)
    try:
        return _LIVE.validate_python(data)
    except ValidationError as error:
        raise UserError(first_error(error.errors(include_url=False))) from error


def first_error(errors: Any) -> str:
    """The first mistake that pydantic found, as a sentence."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body" and not str(part).startswith("function-"))
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "missing" and not where:
        return "The request has no body: send JSON."
    if not reason.endswith((".", "?")):
        reason = f"{where or 'The request'}: {reason[:1].lower()}{reason[1:]}."
    return reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} …"


# --- answers ---


class KeyAnswer(BaseModel):
    """One key: the pitch it is rendered at (null without pitch) and by how much that is then re-pitched."""

    midi: int
    source: float | None
    semitones: float


class AttributeAnswer(BaseModel):
    """One attribute: what it takes when it is left out, and how well it obeys (rank correlation; null if unknown).

    Of an edit of the network's activations (-1 to 1), what else it changes and a sentence on it; null of all others.
    """

    name: str
    baseline: float
    response: float | None
    also: list[str] | None = None
    about: str | None = None


class InstrumentAnswer(BaseModel):
    """What the instrument is."""

    name: str
    digest: str
    version: str
    sample_rate: int
    seconds: float
    pitches: list[int]
    between: bool
    keys: list[KeyAnswer]
    latent_size: int
    attributes: list[AttributeAnswer]
    styles: list[str]  # the attributes' names, in the bundle's order, where they are style tags; else none
    architecture: str  # "autoencoder" or "progressive"
    encodes: bool  # whether sounds have latents: `/api/encode`
    points: int  # training notes of `/api/points`
    level_db: float | None  # peak of its notes in dB of full scale, where all have one level
    examples: list[dict[str, float]]
    teacher: str | None
    gain: float  # the page plays this many times louder than the notes are
    exports: list[str]
    runtime: str
    limits: dict[str, float]


class DescriptionAnswer(BaseModel):
    """A sound's labels by the teacher, and its pitch (MIDI with fraction; null where there is none)."""

    attributes: dict[str, float]
    pitch: float | None
    teacher: str


class WordsAnswer(BaseModel):
    """What a description means here: attributes' values to be set, the others left at their baseline, and shares of the
    mix (in all 1); found by "meaning" (the extra `words`) or by "words in common" with the attributes' names."""

    text: str
    levels: dict[str, float]
    shares: dict[str, float]
    by: str


class NearestAnswer(BaseModel):
    """The training note whose latent is nearest."""

    index: int  # in `/api/points`
    name: str
    distance: float  # between the latents


class LatentAnswer(BaseModel):
    """A latent, and the training note nearest to it (null where the instrument holds none)."""

    latent: list[float]
    nearest: NearestAnswer | None


class EncodingAnswer(LatentAnswer):
    """A sound as a latent. A patch with this `latent` and `level_db` plays it on all keys."""

    level_db: (
        float | None
    )  # peak of the sound in dB of full scale; null where the instrument's notes are of no one level
    cut: bool  # whether it lasts longer than a note, so that its beginning alone was encoded
    pitch: float | None  # MIDI with fraction; null where there is none


class PointsAnswer(BaseModel):
    """Training notes by their latents; all lists but `tags` and `axes` hold one entry a note."""

    names: list[str]
    latent: list[list[float]]
    level_db: list[float]
    pitch: list[int | None]
    styles: list[list[int]]  # indices in `tags`
    tags: list[str]
    axes: list[list[float]]  # up to three directions at right angles in which they lie, unit vectors


class PresetsAnswer(BaseModel):
    """All presets of this instrument; `skipped` counts those in the file that are no patches."""

    presets: dict[str, PatchField]
    skipped: int = 0


class StatusAnswer(BaseModel):
    """How busy the server is."""

    renderer: dict[str, float]
    clients: int
    requests: dict[str, int]


class ErrorAnswer(BaseModel):
    """Every error: one sentence with the remedy in it."""

    error: str


# --- the binary note ---

NOTE_HEADER = struct.Struct("<IfII")  # generation, source pitch (NaN: none), samples a second, samples


def note_frame(generation: int, source: float | None, rate: int, wave: NDArray[np.float32]) -> bytes:
    """A rendered note (sample,) as one binary message: 16 bytes of header, then little-endian float32 samples."""
    header = NOTE_HEADER.pack(generation, math.nan if source is None else source, rate, len(wave))
    return header + np.ascontiguousarray(wave, "<f4").tobytes()
