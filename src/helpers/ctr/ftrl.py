"""FTRL-proximal: logistic regression learnt from a stream, with most weights exactly 0.

McMahan et al., "Ad click prediction: a view from the trenches" (KDD 2013), algorithm 1. B rows with
F active features each; two numbers are stored per feature. Chapter 10 derives each line.
"""

import torch
from torch import Tensor


class FTRL:
    """Weights that are at every moment the minimum of all the past, in closed form.

    For each feature: w = argmin of g . w + sum_s sigma_s (w - w_s)^2 / 2 + l1 |w| +
    (l2 + beta / alpha) w^2 / 2, where g sums all gradients, w_s are earlier weights and
    sigma_1 + ... + sigma_t = sqrt(n) / alpha with n the sum of squared gradients.

    Parameters
    ----------
    n_features : N, ids are 0 .. N - 1. alpha : step size, > 0. beta : keeps first steps short.
    l1 : how strong the pull to exactly 0 is. l2 : shrinkage. device : of the state.

    Attributes
    ----------
    z, n : state, (N,) float64. z = g - sum_s sigma_s w_s; n as above.
    """

    def __init__(
        self,
        n_features: int,
        *,
        alpha: float = 0.1,
        beta: float = 1.0,
        l1: float = 0.0,
        l2: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> None:
        if n_features < 1:
            raise ValueError(f"n_features must be at least 1, got {n_features}")
        if not alpha > 0:
            raise ValueError(f"alpha must be > 0, got {alpha}")
        for name, value in (("beta", beta), ("l1", l1), ("l2", l2)):
            if value < 0:
                raise ValueError(f"{name} must be >= 0, got {value}")
        self.alpha = alpha
        self.beta = beta
        self.l1 = l1
        self.l2 = l2
        self.z = torch.zeros(n_features, dtype=torch.float64, device=device)
        self.n = torch.zeros_like(self.z)

    def weights(self, ids: Tensor | None = None) -> Tensor:
        """Weights of features ids (*S), or of all (N,): 0 where |z| <= l1."""
        z, n = (self.z, self.n) if ids is None else (self.z[ids], self.n[ids])
        pull = (z.abs() - self.l1).clamp_min(0) * z.sign()  # the soft threshold
        return -pull / ((self.beta + n.sqrt()) / self.alpha + self.l2)

    def logits(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Log-odds of a click, (B,).

        Parameters
        ----------
        ids : active features, whole numbers (B, F). values : of these features, (B, F); 1 each.
        """
        self._check(ids, values)
        w = self.weights(ids)
        return (w if values is None else w * values).sum(1)

    def step(self, ids: Tensor, labels: Tensor, values: Tensor | None = None) -> Tensor:
        """Predict, then learn from the labels; returns the logits (B,) from *before* learning.

        A batch counts as one example whose gradient is its rows' sum; with B = 1 this is the
        paper's algorithm. The returned logits make the progressive validation loss.

        Parameters
        ----------
        ids, values : as for :meth:`logits`. labels : (B,), 0 or 1.
        """
        logits = self.logits(ids, values)
        if labels.shape != logits.shape:
            raise ValueError(f"labels must be ({len(ids)},), got {tuple(labels.shape)}")
        if not ((labels == 0) | (labels == 1)).all():
            raise ValueError("labels must be 0 or 1, got other values")
        error = (logits.sigmoid() - labels)[:, None]
        part = error.expand_as(ids) if values is None else error * values
        seen, place = ids.unique(return_inverse=True)
        g = self.z.new_zeros(len(seen)).index_add_(0, place.flatten(), part.flatten().double())
        n = self.n[seen]
        sigma = ((n + g * g).sqrt() - n.sqrt()) / self.alpha
        self.z[seen] += g - sigma * self.weights(seen)
        self.n[seen] = n + g * g
        return logits

    def _check(self, ids: Tensor, values: Tensor | None) -> None:
        if ids.ndim != 2:
            raise ValueError(f"ids must be whole numbers (B, F), got {tuple(ids.shape)}")
        if not ids.numel():
            raise ValueError(f"ids must be (B, F), not empty, got {tuple(ids.shape)}")
        if ids.is_floating_point() or ids.dtype == torch.bool:
            raise ValueError(f"ids must be whole numbers (B, F), got {ids.dtype}")
        last = len(self.z) - 1
        if ids.min() < 0 or ids.max() > last:
            raise ValueError(f"ids must be 0 to {last}, got {ids.min()} to {ids.max()}")
        if values is None:
            return
        if values.shape != ids.shape:
            raise ValueError(f"values must be as ids {tuple(ids.shape)}, got {tuple(values.shape)}")
        if not values.isfinite().all():
            raise ValueError("values must be finite, got NaN or infinity")
