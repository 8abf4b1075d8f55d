"""From attraction to a click: the items above, examination, trust. Shapes: *B any, L above."""

from __future__ import annotations

from torch import Tensor

from helpers.shop.world import World


def seen(shop: World, logit: Tensor, position: Tensor) -> Tensor:
    """P(click) = P(examined) (attraction + P(trusted) (1 - attraction)), float64 (*B).

    shop : the world. logit : of attraction, context included. position : (*B) from 0.
    """
    attraction = logit.sigmoid()
    return shop.examination[position] * (attraction + shop.trust[position] * (1 - attraction))


def context(shop: World, item: Tensor, position: Tensor, above: Tensor | None) -> Tensor:
    """What the items above add to the logit in this shop, float64 (*B).

    shop : the world. item, position : (*B). above : (*B, L) items, -1 for none.

    Raises
    ------
    ValueError : no above, or another number of items above than the position says.
    """
    if above is None:
        raise ValueError("this shop has a context effect: above must be (*B, L), got None")
    if above.is_floating_point():
        raise ValueError(f"above must be whole numbers, got {above.dtype}")
    if above.shape[:-1] != item.shape:
        raise ValueError(f"above must have shape {(*item.shape, 'L')}, got {tuple(above.shape)}")
    n_items = len(shop.items.text)
    if (above >= n_items).any():
        raise ValueError(f"above must hold items of the catalogue, 0 .. {n_items - 1}")
    if ((above >= 0).sum(-1) != position).any():
        raise ValueError("above must hold as many items as there are slots above")
    named = {name: getattr(shop.items, name) for name in ("brand", "price_band", "price")}
    return in_context(item, above.long(), *named.values(), shop.options["context"])


def in_context(
    item: Tensor, above: Tensor, brand: Tensor, band: Tensor, price: Tensor, strength: float
) -> Tensor:
    """What the items above add to an item's logit, (*B) float64: sameness tires, a bargain shines.

    Each item above takes strength / 2 if it has the item's brand and strength / 4 if it has its
    price band; the mean log price above less the item's own, within -1 .. 1, gives strength / 2.

    Parameters
    ----------
    item : (*B). above : (*B, L) items in the slots above, -1 where there is none.
    brand, band, price : (N,) of the catalogue. strength : logits, 0 for none.
    """
    there = above >= 0
    above = above.clamp_min(0)
    same = (brand[above] == brand[item].unsqueeze(-1)) / 2
    same = same + (band[above] == band[item].unsqueeze(-1)) / 4
    log = price.log()
    n = there.sum(-1)
    mean = (log[above] * there).sum(-1) / n.clamp_min(1)
    bargain = (mean - log[item]).clamp(-1, 1) * (n > 0) / 2
    return strength * (bargain - (same * there).sum(-1))
