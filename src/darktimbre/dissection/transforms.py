"""What an input must survive: small random changes, each row by its own draw, through which gradients flow.

A picture of a sound is neither turned nor moved along its frequencies: a turned partial is none, and moved ones are no
longer multiples of one frequency. What a sound may suffer is done to its wave. First those of images, then of waves, of
pictures, of latents; last the filters.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.dissection.subject import Kind, Transform


def drawn(batch: Tensor, generator: torch.Generator) -> Tensor:
    """A number of each row from −1 to 1 `(row,)`."""
    return (2 * torch.rand(len(batch), generator=generator) - 1).to(batch)


def per_row(numbers: Tensor, batch: Tensor) -> Tensor:
    """`(row,)` as what multiplies a batch."""
    return numbers.view(-1, *[1] * (batch.ndim - 1))


@dataclass(frozen=True)
class Pad:
    """Grey around the image, so many pixels."""

    by: int = 12
    kind: ClassVar[Kind] = "image"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        return F.pad(batch, [self.by] * 4, value=0.5)


@dataclass(frozen=True)
class Jitter:
    """A piece from anywhere, so many pixels smaller on each side."""

    by: int = 48
    kind: ClassVar[Kind] = "image"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        height, width = (side - self.by for side in batch.shape[2:])
        corners = torch.randint(self.by + 1, (len(batch), 2), generator=generator).tolist()
        return torch.stack([row[:, y : y + height, x : x + width] for row, (y, x) in zip(batch, corners, strict=True)])


@dataclass(frozen=True)
class Rescale:
    """Larger or smaller by up to this factor about the middle; grey around it."""

    by: float = 1.4
    kind: ClassVar[Kind] = "image"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        factor = torch.exp(math.log(self.by) * drawn(batch, generator))
        return _sampled(batch, factor, torch.zeros_like(factor))


@dataclass(frozen=True)
class Rotate:
    """Turned by up to so many degrees."""

    by: float = 12.0
    kind: ClassVar[Kind] = "image"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        angle = math.radians(self.by) * drawn(batch, generator)
        return _sampled(batch, torch.cos(angle), torch.sin(angle))


def _sampled(batch: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """Images read at places that are scaled and turned: `along` on the diagonal, ±`across` beside it."""
    zero = torch.zeros_like(along)
    matrix = torch.stack([along, -across, zero, across, along, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(batch.shape), align_corners=False)
    return F.grid_sample(batch - 0.5, grid, align_corners=False) + 0.5


@dataclass(frozen=True)
class Colour:
    """Contrast and brightness, and each colour's share, changed by up to this much."""

    by: float = 0.1
    kind: ClassVar[Kind] = "image"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        contrast, brightness = (per_row(self.by * drawn(batch, generator), batch) for _ in range(2))
        shares = 1 + self.by * (2 * torch.rand(len(batch), batch.shape[1], 1, 1, generator=generator) - 1).to(batch)
        return ((1 + contrast) * (batch - 0.5) * shares + 0.5 + brightness / 2).clamp(0, 1)


@dataclass(frozen=True)
class Blur:
    """Blurred by a Gaussian of up to so many pixels, every third time not at all; all rows alike."""

    up_to: float = 2.0
    kind: ClassVar[Kind] = "image"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        sigma = self.up_to * max(0.0, 1.5 * float(torch.rand((), generator=generator)) - 0.5)
        return blurred(batch, sigma) if sigma > 0.2 else batch


IMAGE: tuple[Transform, ...] = (Pad(), Rotate(), Rescale(), Jitter(), Colour())


@dataclass(frozen=True)
class Shift:
    """Earlier or later by up to so many samples, silence moving in; 1,024 are 64 ms at 16 kHz."""

    by: int = 1024
    kind: ClassVar[Kind] = "wave"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        steps = torch.randint(-self.by, self.by + 1, (len(batch),), generator=generator).tolist()
        return torch.stack([F.pad(row, (step, -step)) for row, step in zip(batch, steps, strict=True)])


@dataclass(frozen=True)
class Gain:
    """Louder or softer by up to so many dB."""

    by: float = 6.0
    kind: ClassVar[Kind] = "wave"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        return batch * per_row(10 ** (self.by / 20 * drawn(batch, generator)), batch)


@dataclass(frozen=True)
class Stretch:
    """Faster or slower by up to this share at constant pitch; cut, or followed by silence, to its length.

    A phase vocoder (Flanagan & Golden 1966): frames of the spectrum are read at another pace, and each bin's phase goes
    on by the frequency that it has there.
    """

    by: float = 0.05
    window: int = 512  # samples
    kind: ClassVar[Kind] = "wave"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        paces = (1 + self.by * drawn(batch, generator)).tolist()
        return torch.cat([self.at(row[None], pace) for row, pace in zip(batch, paces, strict=True)])

    def at(self, wave: Tensor, pace: float) -> Tensor:
        """Waves `(row, sample)` at so many times their pace."""
        hop, shape = self.window // 4, torch.hann_window(self.window, device=wave.device)
        spectrum = torch.stft(wave, self.window, hop, window=shape, pad_mode="constant", return_complex=True)
        frames = spectrum.shape[2]
        place = torch.arange(0, frames - 1, pace, device=wave.device)
        low = place.long()
        share = place - low
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt()
        between = (1 - share) * magnitude[..., low] + share * magnitude[..., low + 1]
        with torch.no_grad():  # phases are read, not climbed: a bin's gradient is that of its magnitude and direction
            turn = torch.angle(spectrum[..., low + 1] * spectrum[..., low].conj())
            phase = torch.cat([torch.angle(spectrum[..., :1]), turn[..., :-1]], -1).cumsum(-1)
            turned = torch.polar(torch.ones_like(phase), phase - torch.angle(spectrum[..., low]))
        unit = spectrum[..., low] / magnitude[..., low]
        made = torch.istft(between * unit * turned, self.window, hop, window=shape)[:, : wave.shape[1]]
        return F.pad(made, (0, wave.shape[1] - made.shape[1]))


@dataclass(frozen=True)
class Noise:
    """White noise so many dB below each row's level."""

    db: float = -40.0
    kind: ClassVar[Kind] = "wave"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        level = batch.detach().square().mean(1, keepdim=True).sqrt() * 10 ** (self.db / 20)
        return batch + level * torch.randn(batch.shape, generator=generator).to(batch)


@dataclass(frozen=True)
class Frames:
    """The picture of a sound moved by up to so many whole frames; the frame at the edge is held."""

    by: int = 2
    kind: ClassVar[Kind] = "picture"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        steps = torch.randint(-self.by, self.by + 1, (len(batch), 1), generator=generator)
        place = (torch.arange(batch.shape[3]) - steps).clamp(0, batch.shape[3] - 1).to(batch.device)
        return batch.gather(3, place[:, None, None, :].expand_as(batch))


@dataclass(frozen=True)
class Bilateral:
    """Filtering of the magnitude (the first map) that spares edges; frequencies stay as they are."""

    space: float = 1.0  # bins and frames
    values: float = 0.2
    kind: ClassVar[Kind] = "picture"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        return torch.cat([bilateral(batch[:, :1], self.space, self.values), batch[:, 1:]], 1)


@dataclass(frozen=True)
class LatentNoise:
    """Noise of this deviation on the latent, against narrow maxima."""

    deviation: float = 0.2
    kind: ClassVar[Kind] = "latent"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        return batch + self.deviation * torch.randn(batch.shape, generator=generator).to(batch)


@dataclass(frozen=True)
class LatentDropout:
    """This share of a latent's numbers is 0, the others are larger, so that its expected length is kept."""

    share: float = 0.1
    kind: ClassVar[Kind] = "latent"

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        kept = (torch.rand(batch.shape, generator=generator) >= self.share).to(batch)
        return batch * kept / math.sqrt(1 - self.share)


AUDIO: tuple[Transform, ...] = (Shift(), Gain(), Stretch(), Noise(), Frames(), LatentNoise())


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """`(row, map, height, width)` convolved with a Gaussian of so many pixels; edges are held."""
    reach = max(1, math.ceil(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=maps.device) / sigma) ** 2).to(maps)
    weights = (weights / weights.sum()).expand(maps.shape[1], 1, 1, -1)
    padded = F.pad(maps, [reach] * 4, mode="replicate")
    across = F.conv2d(padded, weights, groups=maps.shape[1])
    return F.conv2d(across, weights.transpose(2, 3), groups=maps.shape[1])


def bilateral(maps: Tensor, space: float, values: float) -> Tensor:
    """A Gaussian mean of those neighbours whose values are near (Tomasi & Manduchi 1998, eq. 4), with gradients."""
    reach = max(1, math.ceil(2 * space))
    padded = F.pad(maps, [reach] * 4, mode="replicate")
    height, width = maps.shape[2:]
    total, weight = torch.zeros_like(maps), torch.zeros_like(maps)
    for y in range(2 * reach + 1):
        for x in range(2 * reach + 1):
            near = padded[..., y : y + height, x : x + width]
            far = ((y - reach) ** 2 + (x - reach) ** 2) / space**2
            share = torch.exp(-0.5 * ((near - maps).square().sum(1, keepdim=True) / values**2 + far))
            total, weight = total + share * near, weight + share
    return total / weight
