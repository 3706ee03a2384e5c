"""An inversion network made ready to play on a CPU: the same function, fewer operations; used by the synthesizer.

What training and exporters need of `inversion.Partials`, and playing does not, is gone: norms and scales are multiplied
into the layers beside them, heads are one product, the mel basis is a sparse matrix, a bin's peak is found by comparing
codes of magnitude and place in one, and what can be is computed in place, a note at a time. Where the processor
multiplies bfloat16, the layers' products are of bfloat16: their weights, which do not fit its nearest caches, are half.
"""

import math
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.convolution import computes_bf16
from darktimbre.models.inversion import (
    CENTRE,
    MOMENTUM,
    QUIET,
    ROWS,
    SLOW,
    SPREAD,
    STRIDE,
    Block,
    InversionNetwork,
    Partials,
    peak_places,
)
from darktimbre.representation import stft


def fold(network: InversionNetwork, *, bf16: bool | None = None) -> nn.Module:
    """The same function for inference: equal within rounding, and faster on a CPU.

    Args:
        bf16: whether the products are of bfloat16; None: where the processor multiplies it.
    """
    if not isinstance(network.body, Partials):
        return network.eval()
    with torch.inference_mode(False), torch.no_grad():
        return FoldedPartials(network, computes_bf16(torch.device("cpu")) if bf16 is None else bf16).eval()


class FoldedPartials(nn.Module):
    """(log magnitudes, pitch) → waves; where it is not for inference on a CPU, the network itself computes.

    Its tables are plain attributes: they stay on the CPU, in their own precision.
    """

    def __init__(self, network: InversionNetwork, bf16: bool) -> None:
        super().__init__()
        body = network.body
        assert isinstance(body, Partials)
        self.network, self.body, self.config, self.bins = network, body, network.config, body.bins
        self.kind = torch.bfloat16 if bf16 else torch.float32  # of products
        self.blocks = [self._folded_block(block) for block in body.blocks if isinstance(block, Block)]
        stem = body.stem.weight / SPREAD
        assert body.stem.bias is not None
        self.stem = stem.permute(2, 1, 0).reshape(-1, self.config.width).to(self.kind)  # (tap · band, width)
        self.start = body.stem.bias - CENTRE * stem.sum(dim=(1, 2))
        self.known = body.pitch.weight.t().contiguous()
        # The heads, with the last norm's scale and shift; that of bins sees the bands' levels as well
        heads = (body.per_bin, body.per_band, body.per_frame)
        weights = torch.cat([head.weight.flatten(1) for head in heads])
        biases = torch.cat([head.bias for head in heads if head.bias is not None])
        biases = (biases + weights @ body.norm.bias)[:, None]
        weights = weights * body.norm.weight
        local = body.local.weight * (SLOW / SPREAD)
        self.level = torch.cat([weights[: self.bins], local], dim=1).to(self.kind)
        self.level_bias = (biases[: self.bins] - CENTRE * local.sum(dim=1, keepdim=True)).contiguous()
        self.rest, self.rest_bias = weights[self.bins :].to(self.kind), biases[self.bins :].contiguous()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sparse CSR tensors are in beta; all that is used of them is a product
            self.basis = body.basis.to_sparse_csr()
        self.row = torch.arange(self.bins, dtype=torch.float32)[:, None]
        self.quiet = torch.tensor(QUIET)
        self.half_turns = math.pi * (torch.arange(self.bins) % 2).float()

    def _folded_block(self, block: Block) -> dict[str, Tensor]:
        up, down, norm, mix = block.up, block.down, block.norm, block.mix
        assert mix.bias is not None
        return {
            "mix": mix.weight[:, 0].t().contiguous(),  # (tap, width)
            "mix_bias": mix.bias.clone(),
            "up": (up.weight * norm.weight).t().to(self.kind).contiguous(),
            "up_bias": (up.bias + up.weight @ norm.bias).to(self.kind),
            "down": (down.weight * block.scale[:, None]).t().to(self.kind).contiguous(),
            "down_bias": down.bias * block.scale,
        }

    def forward(self, log_magnitude: Tensor, pitch: Tensor | None = None) -> Tensor:
        """As `InversionNetwork`."""
        if log_magnitude.device.type != "cpu" or torch.is_grad_enabled() or log_magnitude.dtype != torch.float32:
            waves: Tensor = self.network(log_magnitude, pitch)
            return waves
        pitches = [math.nan] * len(log_magnitude) if pitch is None else pitch.tolist()
        return torch.stack([self._note(one, midi) for one, midi in zip(log_magnitude, pitches, strict=True)])

    def _note(self, logs: Tensor, midi: float) -> Tensor:
        """`(band, frame)` → `(sample,)`; all in between is `(bin, frame)` until the peaks, then `(frame, bin)`."""
        c, body = self.config, self.body
        fundamental = 440.0 * 2 ** ((midi - 69) / 12) * (c.n_fft / c.sample_rate)  # in bins
        features = self._features(logs, fundamental).t()
        given = logs[:, ::STRIDE].contiguous()
        level = self._product(self.level, torch.cat([features, given])).add_(self.level_bias)
        rows, frame = self._product(self.rest, features).add_(self.rest_bias).tensor_split([-2])
        mel = torch.exp(given).sub_(c.floor).clamp_(min=0)
        bands = torch.addcmul(self.quiet, mel, body.mean).log_()
        own = self.row - peak_places(bands[None], body.centres, body.spacing)[0].index_select(0, body.band_of)
        level.add_(bands.index_select(0, body.band_of))
        partial, peak, correction, trust = rows.index_select(0, body.places).view(ROWS, self.bins, -1)
        level.addcmul_(peak, _log_lobe(own))
        distance = None
        if math.isfinite(fundamental):
            distance = self._distance(self.row, fundamental, 0.01 * frame[0], 1e-4 * frame[1])
            level.addcmul_(partial, _log_lobe(distance))
        magnitude = level.clamp_(max=8.0).exp_()
        mel.add_(1e-6)
        for _ in range(c.rounds):
            ratio = torch.div(mel, (self.basis @ magnitude).add_(1e-6))
            below, above = ratio.index_select(0, body.lower), ratio.index_select(0, body.upper)
            magnitude.mul_(torch.lerp(above, below, body.share))
        above = _lobe_offset(magnitude).add_(correction)
        if distance is not None:
            above.sub_(trust.sigmoid_().mul_(distance.clamp_(-2, 2).add_(above)))
        return self._sound(magnitude.t().contiguous(), above.t().contiguous())

    def _product(self, weight: Tensor, values: Tensor) -> Tensor:
        """Their product, float32."""
        return (weight @ values.to(self.kind)).float()

    def _features(self, logs: Tensor, fundamental: float) -> Tensor:
        """`(frame, width)`, normalised but for the last norm's scale and shift."""
        padded = F.pad(logs.t().to(self.kind), (0, 0, 1, 1), value=CENTRE).contiguous()
        frames, bands = logs.shape[1] // STRIDE, logs.shape[0]
        start = self.start
        if math.isfinite(fundamental):
            none = torch.zeros(1)
            distance = self._distance(self.body.centres[:, None], fundamental, none, none)
            start = start + (torch.cat([distance.clamp(-2, 2), _log_lobe(distance)]).t() @ self.known)[0]
        windows = padded.as_strided((frames, 3 * bands), (STRIDE * bands, 1))
        features = self._product(windows, self.stem).add_(start)
        for block in self.blocks:
            taps = block["mix"]
            reach = len(taps) // 2
            around = F.pad(features, (0, 0, reach, reach))
            mixed = torch.addcmul(block["mix_bias"], around[:frames], taps[0])
            for tap in range(1, len(taps)):
                mixed.addcmul_(around[tap : tap + frames], taps[tap])
            normed = F.layer_norm(mixed, mixed.shape[1:]).to(self.kind)
            hidden = F.silu(torch.addmm(block["up_bias"], normed, block["up"]), inplace=True)
            features.add_(self._product(hidden, block["down"])).add_(block["down_bias"])
        return F.layer_norm(features, features.shape[1:])

    @staticmethod
    def _distance(rows: Tensor, fundamental: float, deviation: Tensor, stretch: Tensor) -> Tensor:
        """`inversion.partial_lobes` of one note with a pitch: how far rows lie from the nearest partial."""
        base = fundamental * (1 + deviation)
        ratio = rows / base
        number = torch.round(ratio.addcmul(ratio.square().mul_(ratio), -stretch)).clamp_(min=1)
        return torch.addcmul(rows, number.add_(number.square().mul_(number).mul_(stretch)), base, value=-1)

    def _sound(self, magnitude: Tensor, above: Tensor) -> Tensor:
        """Magnitudes and frequencies `(frame, bin)` → wave `(sample,)`."""
        c = self.config
        hop = STRIDE * c.hop
        spectra = torch.polar(magnitude, self._phase(magnitude, above, hop))
        quiet, before = (magnitude * magnitude).mul_(1e-4).add_(1e-12), None
        for _ in range(c.refinements):
            wave = stft.inverse(spectra[None], n_fft=c.n_fft, hop=hop, samples=c.samples)
            made = torch.view_as_real(stft.forward(wave, n_fft=c.n_fft, hop=hop, frames=len(magnitude))[0])
            push = made if before is None else torch.lerp(before, made, 1 + MOMENTUM)
            before = made
            squares = push * push
            gain = torch.add(squares[..., 0], squares[..., 1]).add_(quiet).rsqrt_().mul_(magnitude)
            spectra = torch.view_as_complex(push) * gain
        return stft.inverse(spectra[None], n_fft=c.n_fft, hop=hop, samples=c.samples)[0]

    def _phase(self, magnitude: Tensor, above: Tensor, hop: int) -> Tensor:
        """`inversion.following_phase` of one note, all `(frame, bin)`."""
        n_fft = self.config.n_fft
        s = magnitude + (1e-6 * magnitude.max() + 1e-12)
        away = coded_peaks(s)  # from a bin to its peak
        bins = torch.arange(self.bins, dtype=torch.int32)
        here = bins + away
        peak = here.long()
        root = s.sqrt_()
        grown = torch.empty_like(root)
        torch.sub(root[2:], root[:-2], out=grown[1:-1]).div_(root[2:] + root[:-2])
        first, last = root[0].square() / root[1], root[-1].square() / root[-2]
        grown[0] = (root[1] - first) / (root[1] + first)
        grown[-1] = (last - root[-2]) / (last + root[-2])
        grown.mul_(1 / math.tan(math.pi * hop / n_fft))
        late = torch.div(grown, grown.square().mul_(0.14).add_(0.5))
        above = above.gather(1, peak)
        late.mul_(above + away)
        around = n_fft // hop  # bins whose own advances make a whole turn
        whole = here.bitwise_and_(around - 1) if around & (around - 1) == 0 else here.remainder_(around)
        phases = (above + whole).mul_(2 * math.pi / around)
        phases[0] = 0
        rows, peaks = phases.unbind(0), peak.unbind(0)
        for one, before, index in zip(rows[1:], rows, peaks[1:], strict=False):
            one.add_(before.index_select(0, index))
        return phases.add_(late).add_(self.half_turns)


def _log_lobe(distance: Tensor) -> Tensor:
    """`inversion.log_lobe`."""
    return distance.square().mul_(-0.25).add_(1).clamp_(min=0).square_().add_(0.03).log_().add_(2)


def _lobe_offset(magnitude: Tensor) -> Tensor:
    """`inversion.lobe_offset` of one note."""
    s = magnitude + (1e-6 * magnitude.max() + 1e-12)
    k = torch.empty_like(s)
    torch.sub(s[2:], s[:-2], out=k[1:-1]).div_(s[2:] + s[:-2])
    k[0] = (s[1] - s[0]) / (s[1] + s[0])
    k[-1] = (s[-1] - s[-2]) / (s[-1] + s[-2])
    return k.div_((k * k).mul_(-9 / 16 * 8 / 9).add_(9 / 16).sqrt_().add_(0.75))


def coded_peaks(magnitude: Tensor) -> Tensor:
    """How many bins `inversion.peaks` of positive magnitudes `(frame, bin)` lies above each, int32 `(frame, bin)`.

    The bits of a positive float grow with it; the last three give way to the bin's number modulo 8, so that the
    greatest code of a neighbourhood says where it comes from. Magnitudes equal in 20 bits count as ties.
    """
    bins = torch.arange(magnitude.shape[1], dtype=torch.int32)
    code = F.pad(magnitude.view(torch.int32).bitwise_and(-8).bitwise_or_(bins & 7), (2, 2))
    two = torch.maximum(code[:, :-1], code[:, 1:])
    best = torch.maximum(two[:, :-2], two[:, 2:])[:, :-1]  # of four in a row
    best = torch.maximum(best, code[:, 4:])
    return best.sub_(bins - 2).bitwise_and_(7).sub_(2)
