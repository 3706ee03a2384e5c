"""The price of information in the latent vector (Kingma & Welling 2014, appendix B; Kingma et al. 2016: free bits)."""

from torch import Tensor


def gaussian_kl(*, mean: Tensor, log_variance: Tensor, free_nats: float = 0.0) -> Tensor:
    """E[Σ_i max(KL_i, free)], KL_i = ½ (μ² + σ² − 1 − log σ²) of N(μ, σ²) from N(0, 1); in nats, scalar.

    mean, log_variance: `(batch, latent)`. `free_nats` per latent dimension, compared with the batch mean of that
    dimension, cost the same used or unused, so that a dimension is not abandoned before it is of use.
    """
    nats = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
    return nats.mean(dim=0).clamp(min=free_nats).sum()
