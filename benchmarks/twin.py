"""Our NICE as a model of normflows: the same weights, the same function."""

import copy

import normflows as nf
import torch
from torch.nn import functional as F

from helpers.flows.likelihood import Gaussian
from helpers.flows.nice import AdditiveCoupling


class LogisticBase(nf.distributions.BaseDistribution):
    """normflows has no logistic base; only its density is needed here."""

    def log_prob(self, z):
        return (-F.softplus(z) - F.softplus(-z)).sum(1)


def twin(ours):
    """normflows' model with our weights. It lists layers from latent to data, and runs that way."""
    dim = ours.shape[0]
    steps = []
    for layer in copy.deepcopy(ours).layers:
        if isinstance(layer, AdditiveCoupling):
            mode = "checkerboard" if layer.flip else "checkerboard_inv"
            step = nf.flows.AffineCouplingBlock(layer.net, scale=False, split_mode=mode)
        else:
            step = nf.flows.AffineConstFlow((dim,), shift=False)
            step.s = torch.nn.Parameter(layer.log_scale.detach()[None].clone())
        steps.append(nf.flows.Reverse(step))
    gaussian = isinstance(ours.prior, Gaussian)
    base = nf.distributions.DiagGaussian(dim, trainable=False) if gaussian else LogisticBase()
    return nf.NormalizingFlow(base, steps[::-1])
