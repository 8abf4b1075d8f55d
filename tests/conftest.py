"""One thread, steady property tests, and skips that count as failures where that is asked for."""

import os

import hypothesis
import pytest
import torch

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}  # for kernels
torch.set_num_threads(1)
pytest.register_assert_rewrite("explorable_checks", "explorable_html")  # they assert
hypothesis.settings.register_profile("book", deadline=None, derandomize=True)
hypothesis.settings.load_profile("book")


@pytest.fixture
def outcomes(monkeypatch):
    """Benchmarks without the clock: what both sides gave, in the order they were compared."""
    found = []

    def once(ours, theirs, **_):
        found.append((ours(), theirs()))
        return 1.0, (1.0, 1.0)

    monkeypatch.setattr("benchmarks.timing.ratio", once)
    return found


def _skipped(config: pytest.Config) -> int:
    """How many tests were skipped although skips are forbidden (``.ci/run`` forbids them)."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FLOW_RANK_SKIPS") != "forbidden" or reporter is None:
        return 0
    return len(reporter.stats.get("skipped", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run with a forbidden skip is not green."""
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so."""
    if count := _skipped(terminalreporter.config):
        terminalreporter.write_line(f"FAILED: {count} skipped, and skips are forbidden", red=True)
