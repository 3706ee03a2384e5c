"""The progressive generator and critic of DarkGAN (§4.3.2), after Karras et al. 2018; spectra in, spectra out.

condition | latent ─► grid ─► stage 0 ─► … ─► stage s ─► picture          (Generator)
picture ─► stage s ─► … ─► stage 0 ─► hidden ─► score, pitch, attributes   (Discriminator)
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.comb import HarmonicMask
from darktimbre.models.config import PARTIAL_GROWTH, Heads, ProgressiveConfig
from darktimbre.models.layers import (
    RECTIFIER,
    EqualisedConv,
    EqualisedLinear,
    VectorToGrid,
    enlarge,
    enlarged_conv,
    held_conv,
    minibatch_deviation,
    pack,
    pixel_norm,
    rectify,
    rectify_and_norm,
    shrink,
    unpack,
)
from darktimbre.models.whitening import LabelWhitening

__all__ = ["Discriminator", "DiscriminatorOutput", "Generator", "Heads", "ProgressiveConfig"]


class Modulation(nn.Module):
    """Feature-wise linear modulation (Perez et al. 2018) by a vector: x ← (1 + γ(v)) · x + β(v); at first x ← x."""

    def __init__(self, vector: int, features: int) -> None:
        super().__init__()
        self.linear = EqualisedLinear(vector, 2 * features)
        nn.init.zeros_(self.linear.weight)

    def forward(self, features: Tensor, vector: Tensor) -> Tensor:
        """`(batch, feature, frequency, frame)` by `(batch, vector)`."""
        scale, shift = self.linear(vector)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, features, 1.0 + scale)


class Mapping(nn.Module):
    """A residual network of one hidden layer on the input vector v: its labels and latent get B · leaky ReLU(A · v)
    added, the pitch's one-hot stays; at first B is 0.

    What labels say together, such as "a bell, but soft", is then not left to the convolutions (after the mapping
    network of Karras et al. 2019, §3).
    """

    def __init__(self, vector: int, pitches: int, hidden: int, slope: float) -> None:
        super().__init__()
        self.pitches, self.slope = pitches, slope
        self.first = EqualisedLinear(vector, hidden, gain=RECTIFIER)
        self.second = EqualisedLinear(hidden, vector - pitches)
        nn.init.zeros_(self.second.weight)

    def forward(self, vector: Tensor) -> Tensor:
        """`(batch, vector)` → the same size."""
        moved: Tensor = self.second(F.leaky_relu(self.first(vector), self.slope))
        return vector + F.pad(moved, (self.pitches, 0))


class GeneratorStage(nn.Module):
    """Nearest up-sampling, then twice (or once): 3 × 3 convolution, leaky ReLU, pixel norm.

    `extra`: maps of the comb; `vector`: size of what modulates the first convolution's features, 0 for nothing.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        factor: tuple[int, int],
        extra: int,
        slope: float,
        convolutions: int = 2,
        vector: int = 0,
    ) -> None:
        super().__init__()
        self.inputs, self.factor, self.slope = inputs, factor, slope
        self.first = EqualisedConv(inputs + extra, outputs)
        self.second = EqualisedConv(outputs, outputs) if convolutions == 2 else None
        self.modulation = Modulation(vector, outputs) if vector else None

    def forward(self, features: Tensor, comb: Tensor | None = None, vector: Tensor | None = None) -> Tensor:
        """`comb`: `(batch, extra, frequency, 1)` maps of this stage's size that `first` sees, held over all frames,
        beside the up-sampled features. The convolution is computed as the sum of its two parts. `vector`: what
        modulates."""
        weight = self.first.scaled()
        features = enlarged_conv(features, weight[:, : self.inputs], self.first.bias, self.factor)
        if comb is not None:
            features = features + held_conv(comb, weight[:, self.inputs :], features.shape[3])
        if self.modulation is not None and vector is not None:
            features = self.modulation(features, vector)
        features = rectify_and_norm(features, self.slope)
        return features if self.second is None else rectify_and_norm(self.second(features), self.slope)


class PartialsByNumber(nn.Module):
    """A vector → how much is added to level and frequency of each partial, by its number, laid on the pitch's comb.

    What belongs to a partial's number, such as a clarinet's missing even ones, need not be found anew for each pitch.
    """

    def __init__(self, vector: int, config: ProgressiveConfig) -> None:
        super().__init__()
        growth, width = PARTIAL_GROWTH, config.widths[-1]
        self.slope, self.harmonics = config.negative_slope, config.harmonics
        self.start = (config.harmonics // growth[0], config.sizes[-1][1] // growth[1])
        self.grid = VectorToGrid(vector, width, self.start)
        factors = ((2, 2), (2, 2), (1, 2))
        self.positions = [self.start[0] * self.start[1] * times for times in (4, 16, 32)]  # of each stage's maps
        self.stages = nn.ModuleList(GeneratorStage(width, width, one, 0, config.negative_slope, 1) for one in factors)
        self.shape = EqualisedConv(width, 2, kernel=1, gain=1.0)
        nn.init.zeros_(self.shape.weight)  # at first nothing is added

    def forward(self, vector: Tensor) -> Tensor:
        """`(batch, vector)` → `(batch, 2, harmonic, frame)`."""
        features = rectify_and_norm(self.grid(vector), self.slope)
        for stage in self.stages:
            features = stage(features)
        drawn: Tensor = self.shape(features)
        return drawn


def laid_on(comb: Tensor, drawn: Tensor, numbers: Tensor) -> Tensor:
    """What is drawn of partials `(batch, 2, harmonic, frame)` on the bins around them: `(batch, 2, frequency, frame)`.

    `comb` `(batch, 2, frequency, 1)`: lobe and offset; `numbers` `(batch, frequency)`: the nearest partial's, from 1.
    Bins of partials that are not drawn get nothing.
    """
    harmonics = drawn.shape[2]
    index = (numbers.clamp(1, harmonics) - 1)[:, None, :, None].expand(-1, 2, -1, drawn.shape[3])
    there = (numbers <= harmonics)[:, None, :, None].to(drawn.dtype)
    return drawn.gather(2, index) * (comb * there)


class CriticStage(nn.Module):
    """Two 3 × 3 convolutions with leaky ReLU, then nearest down-sampling, which is the second one's stride."""

    def __init__(self, inputs: int, outputs: int, factor: tuple[int, int], slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.first = EqualisedConv(inputs, inputs)
        self.second = EqualisedConv(inputs, outputs, stride=factor)

    def forward(self, features: Tensor) -> Tensor:
        features = rectify(self.first(features), self.slope)
        return rectify(self.second(features), self.slope)


def _checked(config: ProgressiveConfig, stage: int | None, alpha: float) -> int:
    """The stage meant, or ValueError when the network has no such stage or cannot fade there."""
    stage = config.last if stage is None else stage
    if not 0 <= stage <= config.last:
        raise ValueError(f"stage {stage} does not exist: this network's stages are 0 to {config.last}.")
    if not config.grow and (stage != config.last or alpha < 1.0):
        raise ValueError("this network does not grow (grow: false): only its last stage, fully faded in, can be used.")
    return stage


class Generator(nn.Module):
    """(latent, condition) → picture. Raises ValueError for a stage that does not exist."""

    def __init__(self, config: ProgressiveConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = VectorToGrid(config.condition + config.latent, config.widths[0], config.start)
        self.comb = (
            HarmonicMask(config.pitches, config.picture_size()[0], config.bands, config.bin_hz, config.first_bin)
            if config.pitch_comb
            else None
        )
        labels, vector = config.condition - len(config.pitches), config.condition + config.latent
        self.whiten = LabelWhitening(len(config.pitches), labels, config.whiten) if config.whiten else None
        self.mapping = (
            Mapping(vector, len(config.pitches), config.mapping, config.negative_slope) if config.mapping else None
        )
        self.stages = nn.ModuleList()
        self.to_picture = nn.ModuleDict()  # keyed by stage, so that a network that does not grow has only the last
        for stage, width in enumerate(config.widths):
            inputs = config.widths[max(stage - 1, 0)]
            extra = self.comb.channels if self.comb is not None and stage == config.last else 0
            convolutions = config.last_convolutions if stage == config.last else 2
            options = {"convolutions": convolutions, "vector": vector if config.modulate else 0}
            self.stages.append(
                GeneratorStage(inputs, width, config.factor(stage), extra, config.negative_slope, **options)
            )
            if config.grow or stage == config.last:
                maps = config.channels * config.bands * (2 if extra else 1)
                self.to_picture[str(stage)] = EqualisedConv(width, maps, kernel=1, gain=1.0)
        self.partials = PartialsByNumber(vector, config) if config.harmonics else None

    def forward(self, latent: Tensor, condition: Tensor, *, stage: int | None = None, alpha: float = 1.0) -> Tensor:
        """latent `(batch, latent)`, condition `(batch, size)` → `(batch, channel, frequency, frame)` of that stage.

        `alpha` < 1 fades stage `stage` in: alpha · its picture + (1 − alpha) · the up-sampled picture of the one below.
        """
        stage = _checked(self.config, stage, alpha)
        vector = input_vector(self, latent, condition)
        features = rectify_and_norm(self.grid(vector), self.config.negative_slope)
        below, shown = features, None
        for number, block in enumerate(self.stages[: stage + 1]):
            shown = self.comb(condition) if self.comb is not None and number == self.config.last else None
            below, features = features, block(features, shown, vector)
        picture = self._picture(features, stage, shown)
        if self.partials is not None and shown is not None and self.comb is not None:
            comb = unpack(shown, self.config.bands)
            picture = picture + laid_on(comb, self.partials(vector), self.comb.numbers(condition))
        if alpha < 1.0 and stage > 0:
            coarse = enlarge(self._picture(below, stage - 1), self.config.factor(stage))
            picture = torch.lerp(coarse, picture, alpha)
        return torch.tanh(picture) if self.config.tanh else picture

    def _picture(self, features: Tensor, stage: int, comb: Tensor | None = None) -> Tensor:
        packed = self.to_picture[str(stage)](features)
        return unpack(packed if comb is None else harmonically_masked(packed, comb), self.config.bands)


def input_vector(generator: Any, latent: Tensor, condition: Tensor) -> Tensor:
    """latent `(batch, latent)`, condition `(batch, size)` → `(batch, size + latent)`: what grid and modulation read.

    `generator`: a `Generator` or a folded one, with its `config`, `whiten` and `mapping`.
    """
    conditioned = condition if generator.whiten is None else generator.whiten(condition)
    vector = torch.cat([conditioned, latent], dim=1)
    if generator.config.normalise_input:
        vector = pixel_norm(vector)
    mapped: Tensor = vector if generator.mapping is None else generator.mapping(vector)
    return mapped


def harmonically_masked(maps: Tensor, comb: Tensor) -> Tensor:
    """`(batch, 2·n, frequency, frame)` maps → the first n plus the second n times the comb: what lies everywhere, and
    how strong (lobe) and how far off (offset) each partial is. The product with the comb is fixed, not trained."""
    everywhere, partials = maps.chunk(2, dim=1)
    return everywhere + partials * comb


class DiscriminatorOutput(NamedTuple):
    """What the critic says of a batch of pictures; a head that it does not have is None."""

    score: Tensor  # (batch / pac,): Wasserstein potential, or the logit of "real"
    pitch_logits: Tensor | None  # (batch, pitch class), for a softmax
    attribute_logits: Tensor | None  # (batch, attribute), for sigmoids
    posterior: Tensor | None  # (batch, 2·latent): mean, then log-variance of z given the picture


class Trunk(nn.Module):
    """picture → features: the generator mirrored, without pixel norm; what the critic and an encoder share."""

    def __init__(self, config: ProgressiveConfig, *, minibatch_stddev: bool) -> None:
        super().__init__()
        self.config, self.minibatch_stddev = config, minibatch_stddev
        self.from_picture = nn.ModuleDict()
        self.stages = nn.ModuleList()  # stage 1 and up; stage 0 is `base` and `dense`
        widths = config.critic_widths or config.widths
        for stage, width in enumerate(widths):
            if config.grow or stage == config.last:
                self.from_picture[str(stage)] = EqualisedConv(config.channels * config.bands, width, kernel=1)
            if stage > 0:
                below = widths[stage - 1]
                self.stages.append(CriticStage(width, below, config.factor(stage), config.negative_slope))
        width = widths[0]
        self.base = EqualisedConv(width + int(minibatch_stddev), width)
        self.dense = EqualisedLinear(width * config.start[0] * config.start[1], config.hidden, gain=RECTIFIER)

    def features(
        self, picture: Tensor, *, stage: int | None = None, alpha: float = 1.0, per_note: bool = False
    ) -> Tensor:
        """`(batch, hidden)`: what all heads read."""
        stage = _checked(self.config, stage, alpha)
        if tuple(picture.shape[2:]) != self.config.picture_size(stage):
            raise ValueError(
                f"stage {stage} takes pictures of {self.config.picture_size(stage)} (frequency, frame), "
                f"not {tuple(picture.shape[2:])}."
            )
        slope = self.config.negative_slope
        features = self._seen(picture, stage)
        for number in range(stage, 0, -1):
            features = self.stages[number - 1](features)
            if number == stage and alpha < 1.0:
                coarse = self._seen(shrink(picture, self.config.factor(stage)), stage - 1)
                features = torch.lerp(coarse, features, alpha)
        if self.minibatch_stddev:
            features = minibatch_deviation(features, hold=per_note)
        features = rectify(self.base(features), slope)
        return rectify(self.dense(features.flatten(1)), slope)

    def _seen(self, picture: Tensor, stage: int) -> Tensor:
        return rectify(self.from_picture[str(stage)](pack(picture, self.config.bands)), self.config.negative_slope)


class PictureEncoder(Trunk):
    """Full-size picture → latent, by the critic's trunk with one head; it is given no condition."""

    def __init__(self, config: ProgressiveConfig) -> None:
        super().__init__(config, minibatch_stddev=False)
        self.latent = EqualisedLinear(config.hidden, config.latent)

    def forward(self, picture: Tensor) -> Tensor:
        """`(batch, channel, frequency, frame)` → `(batch, latent)`."""
        latent: Tensor = self.latent(self.features(picture))
        return latent


class Discriminator(Trunk):
    """picture → `DiscriminatorOutput`. Raises ValueError for a stage that does not exist."""

    def __init__(self, config: ProgressiveConfig) -> None:
        super().__init__(config, minibatch_stddev=config.minibatch_stddev)
        self.score = EqualisedLinear(config.hidden, 1)
        self.pitch = EqualisedLinear(config.hidden, config.heads.pitch) if config.heads.pitch else None
        self.attributes = EqualisedLinear(config.hidden, config.heads.attributes) if config.heads.attributes else None
        self.posterior = EqualisedLinear(config.hidden, 2 * config.latent) if config.posterior else None
        # Lin et al. 2018 pack pictures; here the features of each are packed, for the other heads are of one note each.
        packed = EqualisedLinear(config.hidden * config.pac, config.hidden, gain=RECTIFIER) if config.pac > 1 else None
        self.packed = packed

    def forward(
        self, picture: Tensor, *, stage: int | None = None, alpha: float = 1.0, per_note: bool = False
    ) -> DiscriminatorOutput:
        """picture `(batch, channel, frequency, frame)` of the size of that stage → `DiscriminatorOutput`.

        `per_note` takes the minibatch deviation as a constant. For gradient penalties, which are defined per note and
        want no statistics of the batch in the critic (Gulrajani et al. 2017, §4): the critic's slope is then one of
        each note alone, and piecewise constant, which halves the penalty's time. The published code does without.
        """
        hidden = self.features(picture, stage=stage, alpha=alpha, per_note=per_note)
        scored = hidden
        if self.packed is not None:
            together = hidden.unflatten(0, (-1, self.config.pac)).flatten(1)
            scored = rectify(self.packed(together), self.config.negative_slope)
        return DiscriminatorOutput(
            score=self.score(scored)[:, 0],
            pitch_logits=None if self.pitch is None else self.pitch(hidden),
            attribute_logits=None if self.attributes is None else self.attributes(hidden),
            posterior=None if self.posterior is None else self.posterior(hidden),
        )
