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
    if delay.ndim != 1:
        raise ValueError(f"delay must be (B,), got {tuple(delay.shape)}")
    if delay.shape != age.shape:
        raise ValueError(f"age must be as delay, {tuple(delay.shape)}, got {tuple(age.shape)}")
    if not len(delay):
        raise ValueError("delay must be (B,), not empty, got (0,)")
    if not (delay >= 0).all():
        raise ValueError(f"delay must be at least 0, got {delay.min():g}")
    if not (age >= 0).all():
        raise ValueError(f"age must be at least 0, got {age.min():g}")
    if not age.isfinite().all():
        raise ValueError("age must be finite, got infinity")
    label = delay <= age
    return label.to(age.dtype), torch.where(label, delay, age)


def reweight(labels: Tensor, age: Tensor, rate: float | Tensor) -> Tensor:
    """Labels (B,) over the probability of having been reported by now: their mean is unbiased.

    Parameters
    ----------
    labels : (B,), 0 or 1, as reported so far. age : (B,), > 0.
    rate : of exponential delays, > 0, a number or (B,): the mean delay is 1 / rate.
    """
    if labels.shape != age.shape:
        raise ValueError(f"age must match labels {tuple(labels.shape)}, got {tuple(age.shape)}")
    if not (age > 0).all():
        raise ValueError(f"age must be positive, got {age.min():g}")
    rate = torch.as_tensor(rate, dtype=age.dtype, device=age.device)
    if rate.shape not in ((), age.shape):
        raise ValueError(f"rate must be a number or ({len(age)},), got {tuple(rate.shape)}")
    if not (rate > 0).all():
        raise ValueError(f"rate must be positive, got {rate.min():g}")
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
    _check(logits, log_rate, labels, time)
    rate = log_rate.exp()
    ever = F.logsigmoid(logits)
    reported = ever + log_rate - rate * time
    silent = torch.logaddexp(F.logsigmoid(-logits), ever - rate * time)
    return -torch.where(labels == 1, reported, silent).mean()


def _check(logits: Tensor, log_rate: Tensor, labels: Tensor, time: Tensor) -> None:
    shape = logits.shape
    if logits.ndim != 1:
        raise ValueError(f"logits must be (B,), got {tuple(shape)}")
    if labels.shape != shape:
        raise ValueError(f"labels must be as logits, {tuple(shape)}, got {tuple(labels.shape)}")
    if time.shape != shape:
        raise ValueError(f"time must be as logits, {tuple(shape)}, got {tuple(time.shape)}")
    if not len(logits):
        raise ValueError("logits must be (B,), not empty, got (0,)")
    if log_rate.shape not in ((), shape):
        wanted = f"a scalar or ({len(logits)},)"
        raise ValueError(f"log_rate must be {wanted}, got {tuple(log_rate.shape)}")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("labels must be 0 or 1, got other values")
    if not (time >= 0).all():
        raise ValueError(f"time must be at least 0, got {time.min():g}")
    if not time.isfinite().all():
        raise ValueError("time must be finite, got infinity")
