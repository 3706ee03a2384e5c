"""An inversion network made ready to play on a CPU: the same function, fewer operations; used by the synthesizer.

What training and exporters need of `inversion.Partials`, and playing does not, is gone: norms and scales are multiplied
into the layers beside them, the two heads are one product, the mel basis is a sparse matrix, a bin's peak is found by
comparing codes of magnitude and place in one, and what can be is computed in place, a note at a time.
"""

import math
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def fold(network: InversionNetwork) -> nn.Module:
    """The same function for inference: equal within rounding, and faster on a CPU."""
    return FoldedPartials(network).eval() if isinstance(network.body, Partials) else network.eval()


class FoldedPartials(nn.Module):
    """(log magnitudes, pitch) → waves; where it is not for inference on a CPU, the network itself computes."""

    stem: Tensor
    start: Tensor
    known: Tensor
    local: Tensor
    head: Tensor
    head_bias: Tensor
    band_of: Tensor
    places: Tensor
    mean: Tensor
    lower: Tensor
    upper: Tensor
    share: Tensor
    centres: Tensor
    spacing: Tensor
    quiet: Tensor
    row: Tensor
    half_turns: Tensor

    def __init__(self, network: InversionNetwork) -> None:
        super().__init__()
        body = network.body
        assert isinstance(body, Partials)
        self.network, self.config, self.bins = network, network.config, body.bins
        with torch.no_grad():
            self._fold(body)

    def _fold(self, body: Partials) -> None:
        width = self.config.width
        stem = body.stem.weight / SPREAD
        shift = CENTRE / SPREAD * body.stem.weight.sum(dim=(1, 2))
        assert body.stem.bias is not None
        self._keep("stem", stem.permute(2, 1, 0).reshape(-1, width).contiguous())  # (tap · band, width)
        self._keep("start", body.stem.bias - shift)
        self._keep("local", body.local.weight * (SLOW / SPREAD))
        self._keep("known", body.pitch.weight.t().contiguous())
        self.blocks: list[dict[str, Tensor]] = []
        for block in body.blocks:
            assert isinstance(block, Block)
            up, down, norm, mix = block.up, block.down, block.norm, block.mix
            assert mix.bias is not None
            self.blocks.append({
                "mix": mix.weight[:, 0].t().contiguous(),  # (tap, width)
                "mix_bias": mix.bias.clone(),
                "up": (up.weight * norm.weight).t().contiguous(),
                "up_bias": up.bias + up.weight @ norm.bias,
                "down": (down.weight * block.scale[:, None]).t().contiguous(),
                "down_bias": down.bias * block.scale,
            })  # fmt: skip
        heads = [body.per_bin.weight[..., 0], body.per_band.weight[..., 0], body.per_frame.weight]
        biases = [body.per_bin.bias, body.per_band.bias, body.per_frame.bias]
        weight = torch.cat(heads)
        bias = torch.cat([one for one in biases if one is not None])
        self._keep("head", weight * body.norm.weight)
        self._keep("head_bias", (bias + weight @ body.norm.bias)[:, None])
        for name in ("band_of", "places", "mean", "lower", "upper", "share", "centres", "spacing"):
            self._keep(name, getattr(body, name).clone())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sparse CSR tensors are in beta; all that is used of them is a product
            self.basis = body.basis.to_sparse_csr()
        self._keep("row", torch.arange(self.bins, dtype=torch.float32)[:, None])
        self._keep("quiet", torch.tensor(QUIET))
        self._keep("half_turns", math.pi * (torch.arange(self.bins) % 2).float())

    def _keep(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.detach(), persistent=False)

    def forward(self, log_magnitude: Tensor, pitch: Tensor | None = None) -> Tensor:
        """As `InversionNetwork`."""
        if log_magnitude.device.type != "cpu" or torch.is_grad_enabled() or log_magnitude.dtype != torch.float32:
            waves: Tensor = self.network(log_magnitude, pitch)
            return waves
        pitches = [math.nan] * len(log_magnitude) if pitch is None else pitch.tolist()
        return torch.stack([self._note(one, midi) for one, midi in zip(log_magnitude, pitches, strict=True)])

    def _note(self, logs: Tensor, midi: float) -> Tensor:
        """`(band, frame)` → `(sample,)`; all in between is `(bin, frame)` until the peaks, then `(frame, bin)`."""
        c = self.config
        fundamental = 440.0 * 2 ** ((midi - 69) / 12) * (c.n_fft / c.sample_rate)  # in bins
        made = torch.addmm(self.head_bias, self.head, self._features(logs, fundamental).t())  # (row, frame)
        level, rows, frame = made.split([self.bins, len(made) - self.bins - 2, 2])
        given = logs[:, ::STRIDE].contiguous()
        mel = torch.exp(given).sub_(c.floor).clamp_(min=0)
        bands = torch.addcmul(self.quiet, mel, self.mean).log_()
        own = self.row - peak_places(bands[None], self.centres, self.spacing)[0].index_select(0, self.band_of)
        level = level.addmm_(self.local, given.sub_(CENTRE)).add_(bands.index_select(0, self.band_of))
        partial, peak, correction, trust = rows.index_select(0, self.places).view(ROWS, self.bins, -1)
        level.addcmul_(peak, _log_lobe(own))
        distance = None
        if math.isfinite(fundamental):
            distance = self._distance(self.row, fundamental, 0.01 * frame[0], 1e-4 * frame[1])
            level.addcmul_(partial, _log_lobe(distance))
        magnitude = level.clamp_(max=8.0).exp_()
        for _ in range(c.rounds):
            ratio = (mel + 1e-6).div_((self.basis @ magnitude).add_(1e-6))
            below, above = ratio.index_select(0, self.lower), ratio.index_select(0, self.upper)
            magnitude.mul_(torch.lerp(above, below, self.share))
        above = _lobe_offset(magnitude).add_(correction)
        if distance is not None:
            above.sub_(torch.sigmoid(trust).mul_(distance.clamp_(-2, 2).add_(above)))
        return self._sound(magnitude.t().contiguous(), above.t().contiguous())

    def _features(self, logs: Tensor, fundamental: float) -> Tensor:
        """`(frame, width)`, normalised but for the last norm's scale and shift."""
        padded = F.pad(logs.t(), (0, 0, 1, 1), value=CENTRE).contiguous()
        frames, bands = logs.shape[1] // STRIDE, logs.shape[0]
        start = self.start
        if math.isfinite(fundamental):
            none = torch.zeros(1)
            distance = self._distance(self.centres[:, None], fundamental, none, none)
            start = start + (torch.cat([distance.clamp(-2, 2), _log_lobe(distance)]).t() @ self.known)[0]
        windows = padded.as_strided((frames, 3 * bands), (STRIDE * bands, 1))
        features = torch.addmm(start, windows, self.stem)
        for block in self.blocks:
            taps = block["mix"]
            reach = len(taps) // 2
            around = F.pad(features, (0, 0, reach, reach))
            mixed = torch.addcmul(block["mix_bias"], around[:frames], taps[0])
            for tap in range(1, len(taps)):
                mixed.addcmul_(around[tap : tap + frames], taps[tap])
            hidden = torch.addmm(block["up_bias"], F.layer_norm(mixed, mixed.shape[1:]), block["up"])
            features = features.add_(block["down_bias"]).addmm_(F.silu(hidden, inplace=True), block["down"])
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
        phase = self._phase(magnitude, above, hop)
        spectra = torch.complex(torch.cos(phase).mul_(magnitude), torch.sin(phase).mul_(magnitude))
        quiet, before = (magnitude * magnitude).mul_(1e-4).add_(1e-12), None
        for _ in range(c.refinements):
            wave = stft.inverse(spectra[None], n_fft=c.n_fft, hop=hop, samples=c.samples)
            made = torch.view_as_real(stft.forward(wave, n_fft=c.n_fft, hop=hop, frames=len(magnitude))[0])
            push = made if before is None else torch.lerp(before, made, 1 + MOMENTUM)
            before = made
            real, imag = push[..., 0].contiguous(), push[..., 1].contiguous()  # apart, both are vectors
            gain = torch.addcmul(quiet, real, real).addcmul_(imag, imag).rsqrt_().mul_(magnitude)
            spectra = torch.complex(real.mul_(gain), imag.mul_(gain))
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
