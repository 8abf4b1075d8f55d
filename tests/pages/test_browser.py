"""The page tests' own tools notice what they are there to notice."""

import browser as tools
import pytest
from browser import axe, browser, new_page, quiet, serve

__all__ = ["browser"]  # a fixture, imported to be used

BAD = """<!doctype html><html><head><title>Bad</title></head><body><input>
<img src="https://example.org/a.png" alt=""><img src="missing.png" alt="">
<script>console.error("trouble"); setTimeout(() => { throw new Error("thrown") });</script>"""


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"CI": "1"}, pytest.fail.Exception),
        ({"FLOW_RANK_BROWSER": "required"}, pytest.fail.Exception),
    ],
)
def test_a_missing_browser_skips_aloud_or_fails(monkeypatch, environment, outcome):
    monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    for name in ("CI", "FLOW_RANK_BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="NO BROWSER"):
        tools.chromium()


@pytest.mark.browser
@pytest.mark.parametrize("how", ["file", "http"])
def test_noise_and_faults_are_heard(browser, tmp_path, how):
    (tmp_path / "bad.html").write_text(BAD)
    with serve(tmp_path) as address, new_page(browser, width=390, dark=True) as page:
        noise = quiet(page)
        page.goto(f"{address}/bad.html" if how == "http" else (tmp_path / "bad.html").as_uri())
        page.wait_for_timeout(200)
        assert noise.outside == ["https://example.org/a.png"]
        for part in ("trouble", "thrown", "missing.png"):
            assert any(part in error for error in noise.errors), noise.errors
        rules = {line.split(" ")[0] for line in axe(page)}
        assert {"label", "html-has-lang"} <= rules
        assert {line.split(" ")[0] for line in axe(page, within="body")} == {"label"}
        assert page.evaluate(
            "[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
        ) == [
            390,
            True,
        ]


@pytest.mark.browser
def test_a_quiet_page_is_quiet(browser, tmp_path):
    (tmp_path / "good.html").write_text(
        "<!doctype html><html lang='en'><head><title>Good</title></head><body><main><h1>Good</h1>"
        "<img src='data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E' alt=''>"
    )
    with serve(tmp_path) as address, new_page(browser) as page:
        noise = quiet(page)
        page.goto(f"{address}/good.html")
        assert noise.found() == [] and axe(page) == []
