"""Where modules went when helpers got rooms: an old notebook's import says so in one sentence.

The same list, with what moved outside of helpers, is docs/decisions/009-rooms.md.
"""

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

MODULES = {
    "auction": "ctr.auction",
    "bm25": "matching.bm25",
    "bm25_counts": "matching.counts",
    "bm25_likelihood": "matching.query_likelihood",
    "bm25_postings": "matching.postings",
    "calibration": "ctr.calibration",
    "cnf": "flows.cnf",
    "cross": "ctr.cross",
    "cross_fields": "ctr.fieldwise",
    "ctr_metrics": "ctr.metrics",
    "data_entry": "data.entry",
    "data_files": "data.files",
    "data_readers": "data.readers",
    "data_registry": "data.registry",
    "data_registry_rank": "data.registry_rank",
    "ddpm": "flows.ddpm",
    "deep_fm": "ctr.deep",
    "delayed": "ctr.delayed",
    "embedding": "ctr.embedding",
    "explorable": "explorables.particles",
    "explorable_calibration": "explorables.calibration",
    "explorable_codes": "explorables.codes",
    "explorable_field": "explorables.field",
    "explorable_graph": "explorables.graph",
    "explorable_matrix": "explorables.matrix",
    "explorable_search": "explorables.search",
    "explorable_traces": "explorables.traces",
    "flow": "flows.likelihood",
    "fm": "ctr.fm",
    "ftrl": "ctr.ftrl",
    "heat": "flows.heat",
    "index": "ann.distance",
    "inline": "explorables.inline",
    "ips": "ctr.ips",
    "matching_fusion": "matching.fusion",
    "matching_kernels": "matching.kernels",
    "matching_latent": "matching.latent",
    "metrics": "flows.distances",
    "metrics_count": "counting",
    "nice": "flows.nice",
    "ode": "flows.ode",
    "poisson": "flows.poisson",
    "ranking_metrics": "matching.scoring",
    "rectified_flow": "flows.rectified_flow",
    "sde": "flows.sde",
    "shop_catalogue": "shop.catalogue",
    "shop_checks": "shop.checks",
    "shop_clicks": "shop.clicks",
    "shop_log": "shop.log",
    "shop_oracle": "shop.oracle",
    "shop_people": "shop.people",
    "shop_policy": "shop.policy",
    "shop_score": "shop.score",
    "shop_serve": "shop.serve",
    "shop_truth": "shop.truth",
    "shop_words": "shop.words",
    "shop_world": "shop.world",
    "still": "explorables.still",
    "tokens": "matching.tokens",
    "toy": "flows.toy",
    "unet": "flows.unet",
    "data_tables": "data.catalogue, data.logs or data.lexicon",
    "data_large": "data.catalogue or data.logs",
    "data_kuairand": "data.logs",
    "data_words": "data.lexicon",
    "data_glosses": "data.lexicon",
    "exercises.ann_answers": "exercises.ann.answers",
    "exercises.ann_mistakes": "exercises.ann.mistakes",
    "exercises.ann_more_mistakes": "exercises.ann.mistakes",
    "exercises.ctr_answers": "exercises.ctr.answers",
    "exercises.ctr_mistakes": "exercises.ctr.mistakes",
    "exercises.ctr_more_mistakes": "exercises.ctr.mistakes",
    "exercises.ddim_answers": "exercises.ddim.answers",
    "exercises.ddim_mistakes": "exercises.ddim.mistakes",
    "exercises.ddim_more_mistakes": "exercises.ddim.mistakes",
    "exercises.flow_bench_answers": "exercises.flow_bench.answers",
    "exercises.flow_bench_mistakes": "exercises.flow_bench.mistakes",
    "exercises.flow_bench_more_mistakes": "exercises.flow_bench.mistakes",
    "exercises.fm_answers": "exercises.fm.answers",
    "exercises.fm_mistakes": "exercises.fm.mistakes",
    "exercises.fm_more_mistakes": "exercises.fm.mistakes",
    "exercises.matching_answers": "exercises.matching.answers",
    "exercises.matching_mistakes": "exercises.matching.mistakes",
    "exercises.matching_more_mistakes": "exercises.matching.mistakes",
    "exercises.nice_answers": "exercises.nice.answers",
    "exercises.nice_mistakes": "exercises.nice.mistakes",
    "exercises.nice_more_mistakes": "exercises.nice.mistakes",
    "exercises.ode_answers": "exercises.ode.answers",
    "exercises.ode_mistakes": "exercises.ode.mistakes",
    "exercises.ode_more_mistakes": "exercises.ode.mistakes",
    "exercises.rectified_flow_answers": "exercises.rectified_flow.answers",
    "exercises.rectified_flow_mistakes": "exercises.rectified_flow.mistakes",
    "exercises.rectified_flow_more_mistakes": "exercises.rectified_flow.mistakes",
    "exercises.sde_answers": "exercises.sde.answers",
    "exercises.sde_mistakes": "exercises.sde.mistakes",
    "exercises.sde_more_mistakes": "exercises.sde.mistakes",
}
# What stood in a module whose name is a room's now, so that the import alone doesn't fail.
NAMES = {
    "data": ("images", "digits mnist_5k mnist fashion_mnist split"),
    "ctr": ("models", "cross_sizes cross_ids Poly2 MLP leaf_ids fit_logistic"),
    "matching": ("two_tower", "in_batch_logits in_batch_loss BagTower TwoTower"),
}


class Moved(MetaPathFinder):
    """Finds no module; refuses the import of one that has moved, and says where to."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """None for what has not moved; ImportError, with the new place, for what has."""
        package, _, name = fullname.removeprefix("helpers.").rpartition(".")
        if fullname.startswith("helpers."):
            old = fullname.removeprefix("helpers.")
            if old in MODULES:
                raise ImportError(f"{fullname} has moved to helpers.{MODULES[old]}")
            if sentence(package, name):
                raise ImportError(sentence(package, name))
        return None


def sentence(room: str, name: str) -> str:
    """Where a name of the old module ``room`` is now, or ''."""
    module, names = NAMES.get(room, ("", ""))
    if name not in names.split():
        return ""
    return f"{name} has moved from helpers.{room} to helpers.{room}.{module}"


def attribute(name: str) -> None:
    """A room's ``__getattr__``: AttributeError, which says where a name of the old module is."""
    found = [sentence(room, name) for room in NAMES if sentence(room, name)]
    raise AttributeError(found[0] if found else f"helpers has no module and no name {name!r} here")


sys.meta_path.append(Moved())
