"""The factorization machines: training steps against deepctr-torch, scaling, sparse gradients."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.deepctr import module
from benchmarks.timing import compare
from helpers.ctr.cross import CrossV1, CrossV2
from helpers.ctr.deep import DeepFM
from helpers.ctr.embedding import Embedding, bi_interaction, pair_products, pair_scores, pairs
from helpers.ctr.fieldwise import CIN, Interacting
from helpers.ctr.fm import FM

CHAPTER = "11. FM"
THEIRS = "deepctr-torch's time"


def step(model: nn.Module, loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer):
    """One training step."""

    def run() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return run


def layer_step(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    """Forward and backward of a layer and of its input, without an optimiser."""
    x = x.clone().requires_grad_()

    def run() -> Tensor:
        x.grad = None
        layer.zero_grad()
        out = layer(x)
        out.square().sum().backward()
        return out.detach()

    return run


class Function(nn.Module):
    """A function as a layer; (B, F, D) in."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def layers(x: Tensor) -> Iterator[tuple[str, nn.Module, nn.Module, Tensor]]:
    """Name, ours, theirs with the same weights, and the input (B, F, D) or flat."""
    theirs = module("layers.interaction")
    n, d = x.shape[1:]
    generator = torch.Generator().manual_seed(0)
    yield "FM's pairs", Function(lambda v: bi_interaction(v).sum(1, keepdim=True)), theirs.FM(), x
    flat = x.flatten(1)
    for version, kind in ((1, CrossV1), (2, CrossV2)):
        ours = kind(n * d, 3, generator=generator)
        other = theirs.CrossNet(n * d, 3, ("vector", "matrix")[version - 1])
        with torch.no_grad():
            other.kernels.copy_(ours.weight.view_as(other.kernels))
        yield f"cross network, version {version}, 3 layers", ours, other, flat
    ours = CIN(n, (8, 8), generator)
    other = theirs.CIN(n, (8, 8), "linear", split_half=False)
    with torch.no_grad():
        for convolution, weight in zip(other.conv1ds, ours.weights, strict=True):
            convolution.weight.copy_(weight.flatten(1)[..., None])
            convolution.bias.zero_()
    yield "CIN, 8 and 8 maps", ours, other, x
    ours = Interacting(d, 2, generator=generator)
    other = theirs.InteractingLayer(d, 2)
    with torch.no_grad():
        for name, w in zip(
            ("W_Query", "W_key", "W_Value", "W_Res"),
            (ours.query, ours.key, ours.value, ours.residual),
            strict=True,
        ):
            getattr(other, name).copy_(w)
    yield "attention among fields, 2 heads", ours, other, x


def deepfm_steps(sizes: tuple[int, ...], ids: Tensor, clicks: Tensor) -> tuple[Callable, Callable]:
    """A training step of our DeepFM and of deepctr-torch's, alike in size, both with Adam."""
    inputs = module("inputs")
    model = module("models.deepfm")
    generator = torch.Generator().manual_seed(0)
    ours = DeepFM(Embedding(sizes, 8, generator=generator), (64, 32), generator)
    columns = [inputs.SparseFeat(f"f{f}", s, embedding_dim=8) for f, s in enumerate(sizes)]
    theirs = model.DeepFM(columns, columns, dnn_hidden_units=(64, 32))
    floats = ids.float()  # as it wants them

    def our_loss() -> Tensor:
        return F.binary_cross_entropy_with_logits(ours(ids), clicks)

    def their_loss() -> Tensor:
        return F.binary_cross_entropy(theirs(floats)[:, 0], clicks)

    return tuple(
        step(m, loss, torch.optim.Adam(m.parameters(), lr=1e-3))
        for m, loss in ((ours, our_loss), (theirs, their_loss))
    )


def sparse_steps(n_features: int, batch: int) -> tuple[Callable, Callable]:
    """A training step of FM with sparse gradients and with dense ones."""
    made = []
    for sparse in (True, False):
        generator = torch.Generator().manual_seed(0)
        sizes = (n_features // 2, n_features // 2)
        model = FM(Embedding(sizes, 8, sparse=sparse, generator=generator))
        ids = torch.stack([torch.randint(s, (batch,), generator=generator) for s in sizes], 1)
        clicks = torch.rand(batch, generator=generator).round()
        tables = [model.embedding.weight, model.linear.weights.weight]
        kind = torch.optim.SparseAdam if sparse else torch.optim.Adam
        optimizer = kind(tables, lr=1e-3)

        def loss(model: FM = model, ids: Tensor = ids, clicks: Tensor = clicks) -> Tensor:
            return F.binary_cross_entropy_with_logits(model(ids), clicks)

        made.append(step(model, loss, optimizer))
    return tuple(made)


def measure() -> Iterator[dict]:
    """One record a comparison."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1024, 14, 8, generator=generator)
    for name, ours, theirs, given in layers(x):
        text = f"{name}: forward and backward, 14 fields, D = 8, batch 1,024"
        pair = layer_step(ours, given), layer_step(theirs, given)
        yield compare(CHAPTER, text, THEIRS, *pair, n_calls=5)
    sizes = (5000, 400, 1206, 40, 25, 21, 21, 20, 10, 6, 4, 4, 4, 3)
    ids = torch.stack([torch.randint(s, (1024,), generator=generator) for s in sizes], 1)
    clicks = torch.rand(1024, generator=generator).round()
    text = "DeepFM: a training step, 14 fields of the shop, D = 8, batch 1,024"
    yield compare(CHAPTER, text, THEIRS, *deepfm_steps(sizes, ids, clicks), n_calls=5)
    for n in (10, 30, 100):
        v = torch.randn(256, n, 8, generator=generator)
        pair = (
            layer_step(Function(lambda v: bi_interaction(v).sum(1)), v),
            layer_step(Function(lambda v: pair_products(v).sum((1, 2))), v),
        )
        text = f"the identity, forward and backward, {n} fields, D = 8, batch 256"
        yield compare(CHAPTER, text, "the time of all pairs", *pair, n_calls=5)
    for dim in (4, 16, 64):
        v = torch.randn(256, 20, dim, generator=generator)
        f, g = pairs(20)
        pair = (
            layer_step(Function(pair_scores), v),
            layer_step(Function(lambda v, f=f, g=g: (v[:, f] * v[:, g]).sum(2)), v),
        )
        text = (
            f"inner products of pairs by one product of matrices, 20 fields, D = {dim}, batch 256"
        )
        yield compare(CHAPTER, text, "the time of looking the pairs up", *pair, n_calls=5)
    for n_features in (1_000, 100_000, 1_000_000):
        text = f"FM: a training step with sparse gradients, {n_features:,} features, batch 1,024"
        yield compare(
            CHAPTER, text, "the time with dense ones", *sparse_steps(n_features, 1024), n_calls=2
        )
