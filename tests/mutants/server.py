"""A process that has imported torch and pytest once and forks a child for every test run.

It reads one JSON request a line from stdin and answers with one JSON line on stdout:

    {"root": DIR, "tests": [ID], "limit": SECONDS}    run tests with DIR/src first on the path

What a run imported from installed packages is imported here before the next fork, so that only
the first run pays for it. The answer holds ``cases`` (a record of every test, and of every set-up
or tear-down that did not pass), ``exit`` (pytest's exit status, or "timeout"), ``seconds``,
``foreign`` (helpers that came from elsewhere than ``root``) and the ``tail`` of what it printed.
"""

import contextlib
import gc
import importlib
import json
import os
import shlex
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy  # noqa: F401  imported so that every fork has it already
import pytest
import torch

PROFILE = "mutants"  # a hypothesis profile: the first counterexample will do, remember nothing


class Recorder:
    """A pytest plugin that notes what became of every test and which exception ended it."""

    def __init__(self):
        self.cases, self.collect_errors = [], []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "call" or report.outcome != "passed":
            error = call.excinfo.value if call.excinfo and report.failed else None
            self.cases.append(
                {
                    "node": item.nodeid,
                    "when": report.when,
                    "outcome": report.outcome,
                    "raised": sorted(_kinds(error)),
                    "message": "" if error is None else str(error).strip().split("\n")[0],
                }
            )
        return report

    def pytest_collectreport(self, report):
        if report.failed:
            self.collect_errors.append(f"{report.nodeid}: {str(report.longrepr)[-400:]}")


def _kinds(error):
    """Names of what was raised; a failed ``pytest.raises`` is an assertion like any other."""
    if error is None:
        return set()
    if hasattr(error, "exceptions"):  # hypothesis groups several failures
        return set().union(*(_kinds(inner) for inner in error.exceptions))
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return {"assertion"}
    return {type(error).__name__}


def _hypothesis_arguments():
    try:
        from hypothesis import HealthCheck, Phase, settings
    except ImportError:
        return []
    settings.register_profile(
        PROFILE,
        phases=[Phase.explicit, Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return ["-p", "_hypothesis_pytestplugin", f"--hypothesis-profile={PROFILE}"]


def _child(request, answer_path, log_path):
    """Run the tests in this forked process and write what happened; never returns."""
    os.setsid()  # so that the parent can kill whatever the tests start, too
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.dont_write_bytecode = True
    root = request["root"]
    source = os.path.join(root, "src")
    os.environ["PYTHONPATH"] = os.pathsep.join([source, root])
    os.chdir(root)
    recorder = Recorder()
    arguments = ["-q", "--rootdir", root, "-p", "no:cacheprovider", "-o", "addopts="]
    tests = os.path.join(root, "tests")
    folders = [source, root, tests, os.path.join(tests, "support")]
    arguments += ["-o", f"pythonpath={shlex.join(folders)}"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main(
        [*arguments, *_hypothesis_arguments(), *request["tests"]], plugins=[recorder]
    )
    loaded = [
        (name, getattr(module, "__file__", None))
        for name, module in list(sys.modules.items())
        if name == "helpers" or name.startswith("helpers.")
    ]
    inside = os.path.realpath(source) + os.sep
    here = os.path.realpath(sys.prefix) + os.sep
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    installed = [n for n, f in files.items() if f and os.path.realpath(f).startswith(here)]
    answer = {
        "exit": int(status),
        "installed": [name for name in installed if name.split(".")[0] != "helpers"],
        "cases": recorder.cases,
        "collect_errors": recorder.collect_errors,
        "foreign": [n for n, f in loaded if f and not os.path.realpath(f).startswith(inside)],
    }
    Path(answer_path).write_text(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


def run(request):
    """Fork, wait at most ``limit`` seconds, kill the whole process group, and report."""
    with tempfile.TemporaryDirectory() as folder:
        answer_path, log_path = Path(folder, "answer.json"), Path(folder, "log.txt")
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                _child(request, answer_path, log_path)
            finally:
                os._exit(70)
        finished = _wait(child, start + request["limit"])
        seconds = time.monotonic() - start
        answer = {"exit": "crashed", "cases": [], "collect_errors": [], "foreign": []}
        if not finished:
            answer["exit"] = "timeout"
        elif answer_path.exists():
            answer = json.loads(answer_path.read_text())
        _warm(answer.pop("installed", []))
        tail = log_path.read_text(errors="replace")[-2000:] if log_path.exists() else ""
    return {**answer, "seconds": seconds, "tail": tail}


def _wait(child, deadline):
    """Wait for the child until the deadline, then clear its process group away."""
    finished = False
    try:
        while not finished and time.monotonic() < deadline:
            finished = os.waitpid(child, os.WNOHANG)[0] == child
            if not finished:
                time.sleep(0.005)
    finally:  # also when the reader interrupts: nothing endless stays behind
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if not finished:
            os.kill(child, signal.SIGKILL)  # in case it had no group of its own yet
            os.waitpid(child, 0)
    return finished


def _warm(names):
    """Import modules that a run has needed; what cannot be imported alone stays out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(set(names) - set(sys.modules)):  # a package before what is in it
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.freeze()  # forks need not look through what they inherit


def main():
    torch.set_num_threads(1)
    sys.dont_write_bytecode = True
    del sys.path[0]  # this folder: the tests must not find their modules here
    answers = os.fdopen(os.dup(1), "w")  # whatever an import prints must not mix with the answers
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
