"""What a picture of sound is made of, as a frozen typed value that travels inside recipes and bundles."""

from typing import Literal, Self

from pydantic import Field, model_validator

from darktimbre.notes.bounded import Bounded, Iterations, Logarithm, Positive, SampleRate

from .stft import frame_count

Kind = Literal["if", "logmag", "mel-if", "mel-logmag"]
Inversion = Literal["griffin-lim", "phase-gradient", "single-pass"]


class CodecConfig(Bounded):
    """Settings of a `Codec`; an unknown key is an error.

    `low` and `high` are the fitted scaling: the least and the greatest log magnitude of the training split (natural log
    of |X| + floor). Unset, the bounds of any sound in [-1, 1] stand in for them.
    """

    kind: Kind = "if"
    sample_rate: SampleRate = 16000  # Hz
    samples: int = Field(default=16000, gt=0)
    n_fft: int = Field(default=2048, ge=4, multiple_of=2)  # samples
    hop: int = Field(default=512, gt=0)  # samples
    frames: Positive | None = None  # pad with the silence after the sound to this many; None: as many as the sound has
    drop_dc: bool = True  # linear kinds only: 1024 bins instead of 1025
    centred: bool = False  # instantaneous frequency relative to each bin's own (see instantaneous_frequency.py)
    # 16-bit quantisation noise has |X| ≈ 2.4e-4 under this window: a floor above it spares the network painting noise.
    floor: float = Field(default=1e-3, ge=1e-30)
    mel_bands: int = Field(default=256, gt=0)  # mel kinds only
    # Kinds without phase: Griffin-Lim from random phases (`iterations`), or from phases found in one pass over the
    # magnitudes (`refinements`; 0: these phases as they are). docs/inversion.md has the figures.
    inversion: Inversion = "griffin-lim"
    iterations: Iterations = 60  # of Griffin-Lim from random phases
    coherence: int = Field(
        default=0, ge=0
    )  # `if` only, decoding: bins to either side that turn together (coherent_turns)
    refinements: Iterations = 8  # of Griffin-Lim from phases a `mel-if` picture holds or one pass finds
    low: Logarithm | None = None
    high: Logarithm | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.n_fft % self.hop or 4 * self.hop > self.n_fft:
            raise ValueError(
                f"hop {self.hop} does not divide n_fft {self.n_fft} into at least 4 parts; take n_fft/4 or n_fft/8"
            )
        if self.coherence and not (self.kind == "if" and self.centred):
            raise ValueError("coherence is for the centred instantaneous frequency: kind `if` with centred true")
        if self.inversion != "griffin-lim" and self.kind.endswith("if"):
            raise ValueError(f"the pictures of kind {self.kind} hold their phase; inversion is for the kinds without")
        natural = frame_count(self.samples, self.hop)
        if self.frames is not None and self.frames < natural:
            raise ValueError(f"frames {self.frames} is less than the {natural} frames of {self.samples} samples")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are the two ends of one fitted scaling; set both or neither")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(
                f"low {self.low} is not below high {self.high}; fit the codec on sounds that are not silent"
            )
        return self

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        self.refuse_large("spectra", self.n_fft // 2 + 1, self.picture_frames)
        self.refuse_large("turns between bins", self.n_fft // 2 + 1, 2 * self.coherence + 1)
        if self.kind.startswith("mel"):
            self.refuse_large("mel bands", self.mel_bands, max(self.n_fft, self.picture_frames))
        return self

    @property
    def first_bin(self) -> int:
        """The lowest bin a linear picture holds."""
        return 1 if self.drop_dc else 0

    @property
    def picture_frames(self) -> int:
        """Frames of a picture, padding included."""
        return self.frames if self.frames is not None else frame_count(self.samples, self.hop)
