"""Taking vectors out of a graph for good: links around the gaps, no links into them."""

import torch

from helpers.ann.distance import once, rerank
from helpers.ann.graph import select
from helpers.ann.hnsw import Hnsw


def repair(index: Hnsw) -> int:
    """Unlink what ``index.remove`` has marked; returns how many rows of links were chosen anew.

    A vector that was linked to removed ones may now be linked to *their* neighbours: its candidates
    are its own live links and theirs, the nearest of them, and the usual rule chooses (as in
    FreshDiskANN, arXiv:2105.09613). Ids stay as they are, and a removed id is not given to another
    vector.
    """
    dead = ~index.alive
    n_rows = 0
    for level, links in enumerate(index.links):
        rows = index.rows[level]
        here = (rows >= 0).nonzero()[:, 0]
        now = links[rows[here]]
        lost = (now >= 0) & dead[now.clamp(min=0)]
        mine = lost.any(1) & index.alive[here]
        base = here[mine]
        now = now[mine]
        lost = lost[mine]
        if len(base):
            theirs = links[rows[now.clamp(min=0)]]
            theirs = theirs.masked_fill(~lost[:, :, None], -1).flatten(1)
            candidates = torch.cat([now, theirs], 1)
            gone = dead[candidates.clamp(min=0)] | (candidates == base[:, None])
            candidates = once(candidates.masked_fill(gone, -1))
            x = index.vectors
            n_near = min(index.ef_build + links.shape[1], candidates.shape[1])
            candidates = rerank(x[base], x, candidates, n_near)[1]
            links[rows[base]] = select(
                x[base], x, candidates, links.shape[1], heuristic=index.heuristic
            )
            n_rows += len(base)
        links[rows[here[dead[here]]]] = -1
    if dead[index.entry] and bool(index.alive.any()):
        for rows in reversed(index.rows):
            here = ((rows >= 0) & index.alive).nonzero()[:, 0]
            if len(here):
                index.entry = int(here[0])
                break
    return n_rows
