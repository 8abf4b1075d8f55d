"""A table of made-up reviews, small enough for brute force, and shops on it."""

import functools
import random
from types import SimpleNamespace

import torch

from helpers import shop

CLASSES = {"Dresses": "Dresses", "Knits": "Tops", "Sweaters": "Tops", "Swim": "Intimate"}
WORDS = "soft comfy lace warm summer striped lovely zipper nice buttons denim long".split()


@functools.cache
def reviews(n_items=48, n_reviews=400, seed=0):
    """Reviews whose columns are like those of the real table."""
    draw = random.Random(seed)
    kinds = [draw.choice(list(CLASSES)) for _ in range(n_items)]
    owners = [*range(n_items), *(int(n_items * draw.random() ** 2) for _ in range(n_reviews))]

    def text(n):
        return " ".join(draw.choice(WORDS) for _ in range(n)).capitalize() + "!"

    return SimpleNamespace(
        item=torch.tensor([100 + 3 * i for i in owners]),
        title=["" if draw.random() < 0.2 else text(3) for _ in owners],
        body=[text(8) for _ in owners],
        class_name=[kinds[i] for i in owners],
        department=[CLASSES[kinds[i]] for i in owners],
    )


SMALL = {"n_users": 60, "n_queries": 24, "n_brands": 5, "n_candidates": 12, "n_positions": 4}


@functools.cache
def small(**options):
    """A shop of 48 items; what a test does with it must not change it."""
    return shop.Shop(reviews(), **SMALL | options)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def z_score(count, p):
    """How many standard deviations a count of independent events is off, p (n,) their chances."""
    return ((count - p.sum()) / (p * (1 - p)).sum().sqrt()).item()
