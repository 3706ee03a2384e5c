"""What stand-alone samplers take: rate, bits, channels, lengths, names, folders; `profiles.toml` has the machines.

docs/export.md repeats the table with its sources. None of it was tried on the machine itself.
"""

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from darktimbre.notes.errors import UserError

GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One machine."""

    name: str  # for `--for`
    title: str  # what it is
    rates: tuple[int, ...]  # samples a second that it plays, the best first
    depths: tuple[int, ...]  # bits that it plays, the best first; 32 is floating point
    channels: int = 1  # 1, or 2 for machines that load stereo files alone (both channels are then equal)
    seconds: float = float("inf")  # longest file
    stem: int = 64  # longest file name, without extension
    folder: str = "{setting}"  # folder of a setting's files; `{setting}` is its name, `{number}` its number from 1
    # name of a file; `{key}` is the MIDI number, `{note}` the note, `{layer}` velocity layer and variation
    file: str = "{setting}_{layer}{key:03d}_{note}"
    # the same for instruments without pitch; `{variation}` counts from 1
    unpitched: str = "{setting}_{layer}{variation:02d}"
    reels: bool = False  # one long file of a setting, its notes cut by cue markers, instead of a file for each note
    reel_names: tuple[str, ...] = field(default=())  # names of such files, where the machine prescribes them
    slices: int = 0  # most slices of a long file
    files: int = 1_000  # most files in a folder
    folders: int = 1_000  # most folders; `reel_names` is what bounds reels
    source: str = ""  # where these facts are stated

    @property
    def rate(self) -> int:
        """The rate it is best served with."""
        return self.rates[0]

    @property
    def bits(self) -> int:
        """The depth it is best served with."""
        return self.depths[0]

    def refuse(self, *, rate: int, bits: int) -> None:
        """UserError where the machine does not play such files."""
        if self.name == GENERIC:
            return
        if rate not in self.rates:
            rates = ", ".join(map(str, self.rates))
            raise UserError(f"{self.title} plays files of {rates} Hz, not {rate}: leave out --rate.")
        if bits not in self.depths:
            depths = ", ".join(map(str, self.depths))
            raise UserError(f"{self.title} plays files of {depths} bits, not {bits}: leave out --bits.")


def _read() -> dict[str, Profile]:
    tables = tomllib.loads(files("darktimbre.export").joinpath("profiles.toml").read_text(encoding="utf-8"))
    machines = {}
    for name, table in tables.items():
        given: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in table.items()}
        machines[name] = Profile(name=name, **given)
    return machines


PROFILES = _read()
"""Every machine of `profiles.toml`, by its name."""


def profile(name: str) -> Profile:
    """The machine of a name. Raises UserError: none is called so."""
    if name not in PROFILES:
        raise UserError(f"There is no profile {name!r}; choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]
