"""The sound one has set: what stands between the hands (page, API, presets, export) and the synthesizer."""

import hashlib
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from darktimbre.notes.attributes import Attributes
from darktimbre.notes.bounded import first_mistake, shortened
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import folded
from darktimbre.synthesizer.controls import latents
from darktimbre.synthesizer.walks import pad_point

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

VERSION = 1
LOWEST, HIGHEST = -2.0, 3.0  # of an attribute; training knew 0 to 1
LARGEST_FILE = 1 << 20  # bytes
FARTHEST = 100.0  # of a latent's values; training knew about -4 to 4
MOST_VALUES = 4096  # of a latent

Name = Annotated[str, Field(min_length=1, max_length=200)]
Level = Annotated[float, Field(strict=True, ge=LOWEST, le=HIGHEST, allow_inf_nan=False)]
Place = Annotated[float, Field(strict=True, ge=-1.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, ge=0.0, le=10.0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
Coordinate = Annotated[float, Field(strict=True, ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]
PeakDb = Annotated[float, Field(strict=True, ge=-120.0, le=24.0, allow_inf_nan=False)]


class Envelope(BaseModel):
    """How playing shapes a note's loudness over the sound itself: seconds, and the level held (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attack: Seconds = 0.0
    decay: Seconds = 0.0
    sustain: Share = 1.0
    release: Seconds = 0.2


class Patch(BaseModel):
    """A timbre of an instrument, as plain values; the JSON form is `to_json`, and every part may be left out.

    Attributes:
        darktimbre: what kind of document this is.
        version: of the format.
        bundle: digest of the instrument it was set on, or empty; for telling only, any instrument may play it.
        name: what its maker calls it, up to 80 printable characters.
        attributes: name → value in [-2, 3] (0 to 1 is what training knew); what is left out takes the baseline.
        seed: which latent stands at the centre of the pad.
        pad: (x, y) in [-1, 1]², see `latent_on`.
        latent: the latent itself, in place of seed and pad: such as that of an encoded sound.
        level_db: peak in dB of full scale that an encoded sound had, put back by `Synthesizer.waves`.
        envelope: how notes start and end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    darktimbre: Literal["patch"] = "patch"
    version: Literal[1] = 1
    bundle: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    name: Annotated[str, Field(max_length=80)] = ""
    attributes: Annotated[dict[Name, Level], Field(max_length=600)] = {}
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**53)] = 0  # what JavaScript's numbers hold exactly
    pad: tuple[Place, Place] = (0.0, 0.0)
    latent: Annotated[tuple[Coordinate, ...], Field(min_length=1, max_length=MOST_VALUES)] | None = None
    level_db: PeakDb | None = None
    envelope: Envelope = Envelope()

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("a name holds printable characters only")
        return name

    @field_validator("attributes")
    @classmethod
    def _once(cls, attributes: dict[str, float]) -> dict[str, float]:
        if len({folded(name) for name in attributes}) < len(attributes):
            raise ValueError("an attribute is named twice, in different letter case")
        return attributes

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Inverse of `to_json`.

        Raises:
            UserError: it is no patch, is of a later version, or a value is out of its range.
        """
        if isinstance(data, dict) and data.get("version", VERSION) != VERSION:
            raise UserError(
                f"This patch is of version {shortened(repr(data['version']))}, this darktimbre reads {VERSION}: "
                "update darktimbre."
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise UserError(f"This is no patch that can be played: {first_mistake(error)}.") from error

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A patch from its JSON file.

        Raises:
            UserError: as `from_json`; or the file is not there, is larger than 1 MiB, or is no JSON.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}).") from error
        if len(content) > LARGEST_FILE:
            raise UserError(f"{path} is larger than a patch can be; save the patch from the page again.")
        try:
            data = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} is no JSON file ({error}); save the patch from the page again.") from error
        try:
            return cls.from_json(data)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Plain types, for presets, files and URLs; latent and level only where they are set."""
        unset = {name for name in ("latent", "level_db") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unset)

    def key(self, instrument_digest: str) -> str:
        """SHA-256 of all that the sound of a note follows from, besides its pitch: not the name, not the envelope.

        Values count as the float32 that the network is fed; names in any letter case and order are the same.
        """
        if self.latent is None:
            digest = hashlib.sha256(f"{instrument_digest}\n{self.seed}\n".encode())
            digest.update(struct.pack("<2d", self.pad[0] + 0.0, self.pad[1] + 0.0))  # + 0.0: −0 is 0
        else:
            digest = hashlib.sha256(f"{instrument_digest}\nlatent {len(self.latent)}\n".encode())
            digest.update((np.asarray(self.latent, "<f4") + np.float32(0.0)).tobytes())
        if self.level_db is not None:
            digest.update(b"level" + struct.pack("<f", self.level_db + 0.0))
        for name, value in sorted((folded(name), value) for name, value in self.attributes.items()):
            digest.update(struct.pack("<I", len(name.encode())) + name.encode() + struct.pack("<f", value + 0.0))
        return digest.hexdigest()

    def levels(self, attributes: Attributes) -> dict[str, float]:
        """The instrument's own names → values (`Attributes.resolved`)."""
        return attributes.resolved(self.attributes)

    def latent_on(self, instrument: "Synthesizer") -> NDArray[np.float32]:
        """(latent,): the one that is given; else the centre of the pad is the latent `render(seed=[seed])` draws, see
        `walks.pad_point`.

        Raises:
            UserError: the one given is of another instrument's size.
        """
        if self.latent is not None:
            if len(self.latent) != instrument.latent_size:
                values = "1 value" if len(self.latent) == 1 else f"{len(self.latent)} values"
                raise UserError(
                    f"This sound's latent has {values}, this instrument's have {instrument.latent_size}: leave it out."
                )
            return np.asarray(self.latent, np.float32)
        centre, first, second = latents(self.seed, 3, instrument.latent_size)
        return pad_point(centre, first, second, self.pad)

    def condition(self, instrument: "Synthesizer", source: float | None) -> NDArray[np.float32]:
        """(size,) what the network is fed for a pitch it plays itself (`keys.sources`).

        As `Synthesizer.render` has it, but for the warning about values outside 0 to 1, which a patch may hold.

        Raises:
            UserError: an attribute the instrument has not, or a pitch out of its range.
        """
        controls = instrument.controls
        soft = controls.baseline.copy()
        for name, value in self.levels(controls.attributes).items():
            soft[controls.attributes.names.index(name)] = value
        if not controls.attributes.pitches:
            return soft
        return np.concatenate([controls.pitch_part(source)[0], soft])
