"""No helper assumes a CPU: all stays on the device of what it is given, tried without a GPU.

PyTorch's device "meta" computes shapes alone. A mode refuses to mix it with the CPU, as CUDA does,
and answers True or 1/2 when asked for a number, which it has none of, so that checks pass.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.flows import cnf, ddpm, distances, heat, ode, poisson, rectified_flow, sde
from helpers.flows.toy import GaussianMixture, eight_gaussians
from helpers.nets import TimeMLP

AWAY, aten = "meta", torch.ops.aten
VP, FEW = sde.VP(), ddpm.linear(20)
PROCESSES = (VP, sde.SubVP(), sde.VE())


class Away(TorchDispatchMode):
    """Tensors on one device only, but for copies, scalars and an index on the CPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is aten._local_scalar_dense.default and args[0].is_meta:
            return True if args[0].dtype == torch.bool else 0.5
        moves = function in (aten._to_copy.default, aten.copy_.default)
        if not moves and not (function is aten.index.Tensor and args[0].is_meta):
            tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
            places = {a.device.type for a in tensors if a.ndim}
            if len(places) > 1:
                raise RuntimeError(f"{function} of tensors on more than one device: {places}")
        return function(*args, **(kwargs or {}))


def net(x, t):
    assert not isinstance(t, torch.Tensor) or t.device == x.device
    t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    return x * (t[:, None] if t.ndim else t)


def drive(path):
    *_, x = path
    return x


def empty(*shape):
    return torch.empty(shape, device=AWAY)


def falling(n=4):
    return torch.linspace(1, 0.1, n)


CASES = {
    "euler": lambda x: drive(ode.euler(net, x, falling())),
    "heun": lambda x: drive(ode.heun(net, x, falling())),
    "divergence": lambda x: cnf.divergence(net, x, empty())[1],
    "log_prob": lambda x: cnf.log_prob(
        net, x, falling(), lambda z: z.sum(1), solver=ode.heun, probe=torch.ones_like(x)
    )[0],
    "TimeMLP": lambda x: TimeMLP(2).to(AWAY)(x, torch.tensor(0.5)),
    "mixture": lambda x: eight_gaussians().noised(0.5, 0.5).score(x),
    "denoise": lambda x: eight_gaussians().denoise(x, 0.5, 0.5),
    "sample": lambda x: GaussianMixture(empty(5, 2), 0.1).sample(8),
    "sliced": lambda x: distances.sliced_wasserstein(x, x, 5),
    "ddim": lambda x: drive(ddpm.ddim(net, x, FEW, 5, 1.0)),
    "ddim, sigma-hat": lambda x: drive(ddpm.ddim(net, x, FEW, 5, "sigma-hat")),
    "ddpm": lambda x: drive(ddpm.ddpm(net, x, FEW)),
    "invert": lambda x: drive(ddpm.invert(net, x, FEW, 5)),
    **{
        f"ddpm.loss, {kind}": lambda x, kind=kind: ddpm.loss(net, x, FEW, predict=kind)
        for kind in ("noise", "data", "velocity")
    },
    "sde.loss": lambda x: sde.loss(net, x, VP),
    **{
        f"jump, {type(p).__name__}": lambda x, p=p: p.jump(x, torch.tensor(0.5), x)
        for p in PROCESSES
    },
    "forward": lambda x: drive(sde.forward(VP, x, torch.linspace(0.1, 1, 4))),
    "reverse": lambda x: drive(sde.reverse(VP, sde.score_of(VP, net), x, falling())),
    "probability flow": lambda x: drive(
        ode.euler(sde.probability_flow(VP, sde.score_of(VP, net)), x, falling())
    ),
    "log_prior": VP.log_prior,
    "flow loss": lambda x: rectified_flow.loss(net, x),
    "distill": lambda x: rectified_flow.distill_loss(net, x, x),
    "one step": lambda x: rectified_flow.one_step(net, x),
    "straightness": lambda x: rectified_flow.straightness(x.expand(4, 8, 2), falling()),
    "exact": lambda x: rectified_flow.exact(eight_gaussians())(x, empty()),
    "spread": lambda x: heat.spread(x, 0.1, 0.1),
    "along": lambda x: heat.along(lambda x, t: -x, lambda t: 1 - t, lambda t: t)(x, empty()),
    "residual": lambda x: heat.residual(lambda x, t: (x * t).sum(1), net, x, 0.5),
    "field lines": lambda x: poisson.velocity(torch.ones(5, 2), torch.ones(5))(x, empty()),
    "field": lambda x: poisson.field(x, torch.ones(5, 1)),
    "log_density": lambda x: poisson.log_density(x, 0.5, torch.ones(5, 2)),
}


@pytest.fixture(autouse=True)
def clocks_as_given(monkeypatch):
    """Where times have no data, nobody can say that they fall."""
    monkeypatch.setattr(sde, "_clock", lambda x, times, sign: ode.check_times(x, times))


@pytest.mark.parametrize("name", CASES)
def test_all_stays_on_its_device(name):
    with Away():
        found = CASES[name](empty(8, 2))
        assert isinstance(found, float) or found.device.type == AWAY


def test_a_stray_tensor_is_noticed():
    """What would fail on a GPU fails here as well."""
    x, here = empty(8, 2), torch.ones(8, 2)
    for stray in (
        lambda: x + here,
        lambda: x @ torch.ones(2, 2),
        lambda: torch.cat((x, here)),
        lambda: torch.cdist(x, here),
        lambda: torch.einsum("bd,bd->b", x, here),
        lambda: here[torch.zeros(3, dtype=torch.long, device=AWAY)],
    ):
        with Away(), pytest.raises(RuntimeError, match="device"):
            stray()
    with Away(), pytest.raises(AssertionError):
        net(empty(8, 2), torch.ones(8))
