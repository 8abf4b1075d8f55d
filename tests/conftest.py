"""One thread, steady property tests, and skips that count as failures where that is asked for."""

import os

import hypothesis
import pytest
import torch

PAGE_TESTS = "test_pages.py"  # reads the built book

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


def _need_the_book(config: pytest.Config, tests: list[str]) -> None:
    """One sentence instead of many failures where tests of pages are to run without a book."""
    files = {test.partition("::")[0].rpartition("/")[2] for test in tests}
    built = config.rootpath / "_build" / "html" / "index.html"
    if PAGE_TESTS in files and not built.is_file():
        raise pytest.UsageError(
            f"{PAGE_TESTS} reads the built book, and there is none: run `make book` first "
            f"(or leave these tests out: pytest --ignore-glob '*{PAGE_TESTS}')"
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for the book before the first test; an xdist worker leaves that to its controller."""
    if session.config.option.collectonly or hasattr(session.config, "workerinput"):
        return
    _need_the_book(session.config, [item.nodeid for item in session.items])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids: list[str]) -> None:
    """The same where a worker has collected ``ids``; ``node`` stands for the worker."""
    _need_the_book(node.config, ids)


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
    count = _skipped(terminalreporter.config)
    if count:
        terminalreporter.write_line(f"FAILED: {count} skipped, and skips are forbidden", red=True)
