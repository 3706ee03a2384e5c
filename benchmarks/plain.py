"""The training step in its plain form, as DarkGAN published it: what the fast step is timed against and tested by.

Eager, float32 (or float64), channels first. Nothing is left out that the published step does:
- the first layer is a convolution over the vector in the middle of a zero-padded grid;
- maps are up-sampled, then convolved; convolved at full size, then down-sampled (both nearest);
- the constants of the equalised learning rate multiply the feature maps;
- real and fake pictures are judged in passes of their own; every loss has its own backward pass;
- the generator keeps its graph in the discriminator's turn, and the discriminator's gradients are computed in the
  generator's turn as well.

The networks are built from those of `darktimbre.models` and compute the same function; `gradients` tells theirs under
the names and in the layout of the originals. Only the last size, fully faded in, is there.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.layers import EqualisedConv, EqualisedLinear, VectorToGrid
from darktimbre.models.progressive import Discriminator, DiscriminatorOutput, Generator
from darktimbre.representation.codec import SPAN, Codec
from darktimbre.training.recipe import Recipe
from darktimbre.training.tasks.gan_networks import GROUP, Batch

# ----------------------------------------------------------------------------
# Layers. He's constant multiplies what a layer puts out, its bias included; the bias is therefore stored divided by it.


class PlainLayer(nn.Module):
    """Weight, bias and constant of an equalised layer."""

    def __init__(self, weight: Tensor, bias: Tensor, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
        self.bias = nn.Parameter(bias.detach() / scale)
        self.scale = scale

    def gradients(self) -> Iterator[tuple[str, Tensor]]:
        """Those of the original layer's weight and bias."""
        if self.weight.grad is not None and self.bias.grad is not None:
            yield "weight", self.weight.grad
            yield "bias", self.bias.grad / self.scale


class PlainConv(PlainLayer):
    """A k × k convolution, zero-padded to keep the size."""

    def __init__(self, layer: nn.Module | Tensor | None) -> None:
        assert isinstance(layer, EqualisedConv)
        super().__init__(layer.weight, layer.bias, layer.scale)

    def forward(self, features: Tensor) -> Tensor:
        features = F.conv2d(features, self.weight, self.bias, padding=self.weight.shape[2] // 2)
        features *= self.scale
        return features


class PlainLinear(PlainLayer):
    """A linear map."""

    def __init__(self, layer: EqualisedLinear) -> None:
        super().__init__(layer.weight, layer.bias, layer.scale)

    def forward(self, vector: Tensor) -> Tensor:
        vector = F.linear(vector, self.weight, self.bias)
        vector *= self.scale
        return vector


class PlainGrid(PlainLayer):
    """The first layer: a vector amid zeros, convolved with a kernel as large as the grid."""

    def __init__(self, layer: VectorToGrid) -> None:
        self.shape = channels, *self.size = layer.shape
        # Output position p sees the vector through tap size − 1 − p.
        kernel = layer.weight.unflatten(0, (channels, *self.size)).permute(0, 3, 1, 2).flip(2, 3)
        super().__init__(kernel, layer.bias, layer.scale)

    def forward(self, vector: Tensor) -> Tensor:
        frequency, frame = (size - 1 for size in self.size)
        features = F.conv2d(
            F.pad(vector[:, :, None, None], (frame, frame, frequency, frequency)), self.weight, self.bias
        )
        features *= self.scale
        return features

    def gradients(self) -> Iterator[tuple[str, Tensor]]:
        for name, gradient in super().gradients():
            yield name, gradient.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2) if name == "weight" else gradient


def pixel_norm(features: Tensor) -> Tensor:
    """Each position's channel vector divided by its root mean square."""
    return features / torch.sqrt(torch.mean(features**2, dim=1, keepdim=True) + 1e-8)


def with_deviation(features: Tensor) -> Tensor:
    """One map more: the standard deviation over a group of notes, meant over channels and positions."""
    batch, _, frequency, frame = features.shape
    group = min(GROUP, batch)
    maps = []
    for note in range(batch):
        first = min(note // group * group, batch - group)
        variance = torch.var(features[first : first + group], dim=0, unbiased=False)
        maps.append(torch.sqrt(variance + 1e-8).mean().expand(1, 1, frequency, frame))
    return torch.cat([features, torch.cat(maps)], dim=1)


# ----------------------------------------------------------------------------
# Networks


class PlainNetwork(nn.Module):
    """What both have in common."""

    def gradients(self) -> dict[str, Tensor]:
        """Gradients of the original network's parameters, by their names; those that the last size does not use are
        left out."""
        return {
            f"{name}.{kind}": gradient
            for name, layer in self.named_modules()
            if isinstance(layer, PlainLayer)
            for kind, gradient in layer.gradients()
        }


class PlainGenerator(PlainNetwork):
    """(latent, condition) → picture."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        config = self.config = generator.config
        extras = config.pitch_comb or config.whiten or config.normalise_input
        assert not extras, "the paper's network has none of them"
        self.activation = nn.LeakyReLU(config.negative_slope)
        self.grid = PlainGrid(generator.grid)
        self.stages = nn.ModuleList()
        for stage in generator.stages:
            layers = {"first": stage.first, "second": stage.second}
            self.stages.append(nn.ModuleDict({name: PlainConv(layer) for name, layer in layers.items()}))
        last = str(config.last)
        self.to_picture = nn.ModuleDict({last: PlainConv(generator.to_picture[last])})

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """`(batch, latent)`, `(batch, size)` → `(batch, channel, frequency, frame)`."""
        features = pixel_norm(self.activation(self.grid(torch.cat([condition, latent], dim=1))))
        for number, stage in enumerate(self.stages):
            if number:
                features = F.interpolate(features, size=self.config.sizes[number], mode="nearest")
            for layer in cast(nn.ModuleDict, stage).values():
                features = pixel_norm(self.activation(layer(features)))
        return self.to_picture[str(self.config.last)](features)


class PlainDiscriminator(PlainNetwork):
    """picture → `DiscriminatorOutput`."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        config = self.config = discriminator.config
        assert not config.posterior, "the paper's network has none"
        assert config.bands == 1, "nor does it pack any"
        self.activation = nn.LeakyReLU(config.negative_slope)
        last = str(config.last)
        self.from_picture = nn.ModuleDict({last: PlainConv(discriminator.from_picture[last])})
        self.stages = nn.ModuleList(
            nn.ModuleDict({"first": PlainConv(stage.first), "second": PlainConv(stage.second)})
            for stage in discriminator.stages
        )
        self.base = PlainConv(discriminator.base)
        assert discriminator.pitch is not None
        assert discriminator.attributes is not None
        self.dense, self.score = PlainLinear(discriminator.dense), PlainLinear(discriminator.score)
        self.pitch, self.attributes = PlainLinear(discriminator.pitch), PlainLinear(discriminator.attributes)

    def forward(self, picture: Tensor) -> DiscriminatorOutput:
        """`(batch, channel, frequency, frame)` → scores `(batch,)` and logits."""
        features = self.activation(self.from_picture[str(self.config.last)](picture))
        for number in range(self.config.last, 0, -1):
            for layer in cast(nn.ModuleDict, self.stages[number - 1]).values():
                features = self.activation(layer(features))
            features = F.interpolate(features, size=self.config.sizes[number - 1], mode="nearest")
        if self.config.minibatch_stddev:
            features = with_deviation(features)
        features = self.activation(self.base(features))
        hidden = self.activation(self.dense(features.flatten(1)))
        return DiscriminatorOutput(self.score(hidden)[:, 0], self.pitch(hidden), self.attributes(hidden), None)


# ----------------------------------------------------------------------------
# The step


class PlainGan:
    """Both networks in training, with Adam and the averaged generator, the plain way."""

    def __init__(self, recipe: Recipe, generator: Generator, discriminator: Discriminator) -> None:
        self.recipe = recipe
        self.generator, self.discriminator = PlainGenerator(generator), PlainDiscriminator(discriminator)
        self.averaged = deepcopy(self.generator).requires_grad_(False)
        optimiser = recipe.optimiser
        self.adam = [
            torch.optim.Adam(network.parameters(), lr=optimiser.lr, betas=optimiser.betas)
            for network in (self.generator, self.discriminator)
        ]

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Trains both networks on one batch; returns the unweighted losses."""
        losses = self.discriminator_step(batch)
        self.adam[1].step()
        losses |= self.generator_step(batch)
        self.adam[0].step()
        for average, weight in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
            average.mul_(0.999).add_(weight.data, alpha=0.001)
        return losses

    def discriminator_step(self, batch: Batch) -> dict[str, Tensor]:
        """Leaves the gradients in the discriminator."""
        goals = self.recipe.objectives
        self.adam[1].zero_grad()
        on_real = self.discriminator(batch.real)
        losses = self._head_losses(on_real, batch, "real")
        critic = -on_real.score.mean()

        fake = self.generator(batch.d_latent, batch.condition).detach()
        critic = critic + self.discriminator(fake).score.mean()
        losses |= {"critic": critic, "penalty": self._penalty(batch, fake)}
        (critic + goals.drift * (on_real.score**2).mean()).backward()
        return losses

    def generator_step(self, batch: Batch) -> dict[str, Tensor]:
        """Leaves the gradients in the generator (and others, of no use, in the discriminator)."""
        for adam in self.adam:
            adam.zero_grad()
        verdict = self.discriminator(self.generator(batch.g_latent, batch.condition))
        losses = self._head_losses(verdict, batch, "fake")
        losses["generator"] = -verdict.score.mean()
        losses["generator"].backward()
        return losses

    def _head_losses(self, verdict: DiscriminatorOutput, batch: Batch, of: str) -> dict[str, Tensor]:
        """Pitch and attributes, with a backward pass of their own."""
        goals, temperature = self.recipe.objectives, self.recipe.data.temperature
        assert verdict.pitch_logits is not None
        assert verdict.attribute_logits is not None
        pitch = F.cross_entropy(verdict.pitch_logits, batch.pitch_class)
        attributes = F.binary_cross_entropy(torch.sigmoid(verdict.attribute_logits / temperature), batch.soft_labels)
        (goals.pitch * pitch + goals.attributes * attributes).backward(retain_graph=True)
        return {f"pitch_{of}": pitch, f"attributes_{of}": attributes}

    def _penalty(self, batch: Batch, fake: Tensor) -> Tensor:
        """The gradient penalty, with a backward pass of its own."""
        penalty = self.recipe.objectives.penalty
        assert penalty.kind == "gradient-penalty"
        assert penalty.every == 1
        alpha = batch.mix.view(-1, 1, 1, 1)
        mixed = (alpha * batch.real + (1 - alpha) * fake).requires_grad_()
        score = self.discriminator(mixed).score.sum()
        (slope,) = torch.autograd.grad(score, mixed, create_graph=True)
        distances = ((slope.flatten(1) ** 2).sum(dim=1).sqrt() - 1) ** 2
        size = distances.sum() if penalty.reduction == "sum" else distances.mean()
        (penalty.weight * size).backward(retain_graph=True)
        return size


# ----------------------------------------------------------------------------
# Making sound


def plain_waves(pictures: Tensor, codec: Codec) -> Tensor:
    """`Codec.decode` of a raw instantaneous-frequency picture by torch.istft, `(batch, sample)`."""
    config = codec.config
    assert config.kind == "if"
    assert not config.centred
    logs = (pictures[:, 0].clamp(-1, 1) + SPAN) / (2 * SPAN) * (codec.high - codec.low) + codec.low
    magnitude = (torch.exp(logs) - config.floor).clamp(min=0)
    phase = torch.cumsum(pictures[:, 1] * torch.pi, dim=2)
    spectra = F.pad(torch.polar(magnitude, phase), (0, 0, config.first_bin, 0))
    window = torch.hann_window(config.n_fft)
    return torch.istft(spectra, config.n_fft, config.hop, window=window, length=codec.samples)
