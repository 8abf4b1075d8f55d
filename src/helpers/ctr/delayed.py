"""Delayed feedback: learning a rate before all the positives have been reported.

B clicks, of age e (time since the click); a purchase is reported after a delay, so at age e one
sees it only if the delay is at most e. Times in any unit, rates per that unit. Chapter 10 derives
each line; the likelihood is Chapelle's (KDD 2014).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def observe(delay: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
    """What is known at each click's age: (label (B,) of 0 and 1, time (B,)).

    The time is the delay where the purchase has been reported, else the age.

    Parameters
    ----------
    delay : (B,), >= 0, inf where there will never be a purchase. age : (B,), >= 0, finite.

    Raises
    ------
    ValueError : shapes that differ, negative or NaN times.
    """
    if delay.ndim != 1 or delay.shape != age.shape or not len(delay):
        raise ValueError(
            f"delay and age must be (B,), got {tuple(delay.shape)}, {tuple(age.shape)}"
        )
    if not ((delay >= 0).all() and (age >= 0).all() and age.isfinite().all()):
        raise ValueError("delay and age must be at least 0, and age finite")
    label = delay <= age
    return label.to(age.dtype), torch.where(label, delay, age)


def reweight(labels: Tensor, age: Tensor, rate: float | Tensor) -> Tensor:
    """Labels (B,) over the probability of having been reported by now: their mean is unbiased.

    Parameters
    ----------
    labels : (B,), 0 or 1, as reported so far. age : (B,), > 0.
    rate : of exponential delays, > 0, a number or (B,): the mean delay is 1 / rate.
    """
    if labels.shape != age.shape or not (age > 0).all():
        raise ValueError(f"age must be positive and match labels {tuple(labels.shape)}")
    rate = torch.as_tensor(rate, dtype=age.dtype, device=age.device)
    if rate.shape not in ((), age.shape) or not (rate > 0).all():
        raise ValueError(f"rate must be positive, a number or ({len(age)},), got {rate}")
    return labels / -torch.expm1(-rate * age)


def delayed_loss(logits: Tensor, log_rate: Tensor, labels: Tensor, time: Tensor) -> Tensor:
    """Mean negative log-likelihood of what is known so far, a scalar in nats; differentiable.

    A purchase after the delay d has density p rate e^(-rate d). Silence until age e has probability
    (1 - p) + p e^(-rate e): never, or not yet.

    Parameters
    ----------
    logits : log-odds of a purchase, ever, (B,). log_rate : of the delays, a scalar or (B,).
    labels, time : (B,), as :func:`observe` gives them.
    """
    if logits.ndim != 1 or not logits.shape == labels.shape == time.shape or not len(logits):
        raise ValueError(
            "logits, labels and time must be (B,), got "
            f"{tuple(logits.shape)}, {tuple(labels.shape)}, {tuple(time.shape)}"
        )
    if log_rate.shape not in ((), logits.shape):
        raise ValueError(f"log_rate must be a scalar or ({len(logits)},)")
    if not ((labels == 0) | (labels == 1)).all() or not ((time >= 0) & time.isfinite()).all():
        raise ValueError("labels must be 0 or 1, and time finite and at least 0")
    rate = log_rate.exp()
    ever = F.logsigmoid(logits)
    reported = ever + log_rate - rate * time
    silent = torch.logaddexp(F.logsigmoid(-logits), ever - rate * time)
    return -torch.where(labels == 1, reported, silent).mean()
