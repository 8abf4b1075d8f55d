"""Which items a request is shown, at random but with known probabilities: Plackett and Luce.

The first slot gets item i with probability exp(s_i) / sum_j exp(s_j), the next slot likewise among
those left, and so on. Shapes: B requests, M candidates, K slots.
"""

import torch
from torch import Tensor


def plackett_luce(
    scores: Tensor, k: int, *, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw k of M candidates without repetition, and say how likely each draw was.

    Scores plus independent Gumbel noise, sorted, are a draw of the whole order.

    Parameters
    ----------
    scores : floats (B, M); -inf for a candidate that must not be shown. k : slots.
    generator : of the noise, on the scores' device.

    Returns
    -------
    choice : (B, k) int64, indices into the candidates, the top slot first.
    propensity : (B, k) float64, the probability of each slot's item given the slots above.

    Raises
    ------
    ValueError : NaN or +inf; fewer than k candidates that may be shown.
    """
    _check(scores, k)
    scores = scores.double()
    noise = torch.rand(scores.shape, generator=generator, dtype=torch.float64, device=scores.device)
    gumbel = -(-noise.clamp_min(torch.finfo(torch.float64).tiny).log()).log()
    choice = (scores + gumbel).topk(k, 1).indices
    return choice, propensity(scores, choice)


def propensity(scores: Tensor, choice: Tensor) -> Tensor:
    """Probability of each slot's item given the slots above, (B, k) float64.

    scores : (B, M), see :func:`plackett_luce`. choice : (B, k), distinct indices in each row.
    """
    _check(scores, choice.shape[1])
    weight = (scores.double() - scores.max(1, keepdim=True).values).exp()
    shown = weight.gather(1, choice)
    rest = weight.scatter(1, choice, 0.0).sum(1, keepdim=True)
    left = rest + shown.flip(1).cumsum(1).flip(1)  # this slot's item and all below it
    return shown / left


def _check(scores: Tensor, k: int) -> None:
    """Refuse scores (B, M) that are no floats, and k that some row has too few candidates for."""
    if scores.ndim != 2:
        raise ValueError(f"scores must be floats (B, M), got shape {tuple(scores.shape)}")
    if not scores.is_floating_point():
        raise ValueError(f"scores must be floats, got {scores.dtype}")
    if len(scores) == 0:
        raise ValueError("scores must be floats of at least one request, got none")
    if scores.isnan().any():
        raise ValueError("scores must be finite, or -inf where not to be shown: not NaN, got one")
    if (scores == torch.inf).any():
        raise ValueError(
            "scores must be finite, or -inf where not to be shown: not NaN or +inf, got +inf"
        )
    fewest = int((scores > -torch.inf).sum(1).min())
    if not 1 <= k <= fewest:
        raise ValueError(f"k must be in 1 .. {fewest}, the candidates that may be shown, got {k}")
