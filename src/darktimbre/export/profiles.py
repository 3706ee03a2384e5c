"""What hardware samplers take, as data: rate, bits, channels, lengths, names, folders; each with where it is stated.

docs/export.md repeats the table with its sources. None of it was tried on the machine itself.
"""

from dataclasses import dataclass, field

from darktimbre.notes.errors import UserError

GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One machine.

    Attributes:
        name: for `--for`.
        title: what it is.
        rates: samples a second that it plays, the best first.
        depths: bits that it plays, the best first; 32 is floating point.
        channels: 1, or 2 for machines that load stereo files alone (both channels are then equal).
        seconds: longest file.
        stem: longest file name, without extension.
        folder: folder of a setting's files; `{setting}` is its name, `{number}` its number from 1.
        file: name of a file; `{key}` is the MIDI number, `{note}` the note, `{layer}` velocity layer and variation.
        unpitched: the same for instruments without pitch; `{variation}` counts from 1.
        reels: one long file of a setting, its notes cut by cue markers, instead of a file for each note.
        reel_names: names of such files, where the machine prescribes them.
        slices: most slices of a long file.
        files: most files in a folder.
        folders: most folders; `reel_names` is what bounds reels.
        source: where these facts are stated.
    """

    name: str
    title: str
    rates: tuple[int, ...]
    depths: tuple[int, ...]
    channels: int = 1
    seconds: float = float("inf")
    stem: int = 64
    folder: str = "{setting}"
    file: str = "{setting}_{layer}{key:03d}_{note}"
    unpitched: str = "{setting}_{layer}{variation:02d}"
    reels: bool = False
    reel_names: tuple[str, ...] = field(default=())
    slices: int = 0
    files: int = 1_000
    folders: int = 1_000
    source: str = ""

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
            told = ", ".join(str(one) for one in self.rates)
            raise UserError(f"{self.title} plays files of {told} Hz, not {rate}: leave out --rate.")
        if bits not in self.depths:
            told = ", ".join(str(one) for one in self.depths)
            raise UserError(f"{self.title} plays files of {told} bits, not {bits}: leave out --bits.")


PROFILES: dict[str, Profile] = {
    one.name: one
    for one in (
        Profile(name=GENERIC, title="Any sampler", rates=(44_100,), depths=(16, 24, 32), source="16-bit mono WAV"),
        Profile(
            name="octatrack",
            title="Elektron Octatrack",
            rates=(44_100,),
            depths=(16, 24),
            folder="AUDIO/{setting}",
            source="samplestack.app/instruments/octatrack-mkii; davidferlay.github.io/octatrack-manager (audio pool)",
        ),
        Profile(
            name="digitakt",
            title="Elektron Digitakt",
            rates=(48_000,),
            depths=(16,),
            seconds=33.0,
            source="Digitakt User Manual, ch. 14 (33 s); samplestack.app/instruments/digitakt-ii (48 kHz, 16 bit)",
        ),
        Profile(
            name="bitbox",
            title="1010music bitbox",
            rates=(48_000, 44_100, 96_000),
            depths=(24, 16, 32),
            source="Bitbox mk2 2.1 User Manual, p. 49 (formats, names); Bitbox 3.0 User Manual, p. 38 (smpl, cues)",
        ),
        Profile(
            name="sp404",
            title="Roland SP-404MKII",
            rates=(44_100, 48_000),
            depths=(16, 24),
            source="sebpatron.com/sp404mk2-wav-converter (rates and bits that load)",
        ),
        Profile(
            name="radio-music",
            title="Music Thing Radio Music",
            rates=(44_100,),
            depths=(16,),
            stem=8,
            folder="bank{number0}",
            file="{key:03d}{note}",
            unpitched="{variation:03d}",
            files=75,
            folders=16,
            source="samplestack.app/help/compare-formats (8.3 names, bank0 to bank15, 75 files a bank)",
        ),
        Profile(
            name="4ms-sampler",
            title="4ms Sampler",
            rates=(44_100, 48_000, 96_000),
            depths=(16, 24, 32),
            source="4ms Sampler user manual, p. 19 (folders are banks, up to 96 kHz, 32 bit)",
        ),
        Profile(
            name="morphagene",
            title="Make Noise Morphagene",
            rates=(48_000,),
            depths=(32,),
            channels=2,
            seconds=174.0,
            folder="",
            reels=True,
            reel_names=tuple(f"mg{sign}" for sign in "123456789abcdefghijklmnopqrstuvw"),
            slices=299,
            source="Make Noise Morphagene manual (float, 48 kHz, stereo, mg1 to mgw, 2.9 min, markers are splices)",
        ),
    )
}


def profile(name: str) -> Profile:
    """The machine of a name.

    Raises:
        UserError: none is called so.
    """
    if name not in PROFILES:
        raise UserError(f"There is no profile {name!r}; choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]
