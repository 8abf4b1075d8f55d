"""``make bench``: every benchmark, printed as a table and kept in book/generated/bench.json."""

import datetime
import platform
from importlib import metadata
from pathlib import Path

import torch

from benchmarks import ann, ctr, fm, losses, matching, nice, samplers, shop, solvers
from tools.build import book

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("normflows", "diffusers", "torchdiffeq", "torchcfm", "scipy", "scikit-learn")
LIBRARIES += ("bm25s", "rank-bm25", "lightgbm", "deepctr-torch", "faiss-cpu", "chroma-hnswlib")


def cpu() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def place(row: dict) -> int:
    """The number of a row's chapter; the shop, which is no chapter, comes before Part II."""
    number = row["chapter"].split(".")[0]
    return int(number) if number.isdigit() else 6


def main() -> None:
    """Measure, print, keep."""
    torch.set_num_threads(1)
    rows = [row | {"chapter": "1. NICE"} for row in nice.measure()]
    for module in (samplers, solvers, losses, shop, matching, ctr, fm, ann):
        rows += module.measure()
    rows.sort(key=place)  # and within a chapter as they came
    for row in rows:
        low, high = row["spread"]
        print(f"{row['text']}: {row['ratio']:.2f} ({low:.2f} to {high:.2f}) of {row['against']}")
    versions = {name: metadata.version(name) for name in ("torch", *LIBRARIES)}
    record = {
        "rows": rows,
        "versions": versions | {"python": platform.python_version()},
        "device": f"{cpu()}, one thread",
        "date": datetime.date.today().isoformat(),
    }
    book.write_json(book.generated(ROOT, "bench.json"), record)


if __name__ == "__main__":
    main()
