"""The rows of every large profile in ``large.json``, and the GPU that it asks for."""

import pytest
import torch

from tools.build import book, pages
from tools.large import ann, ctr, flow, fm, matching, nice
from tools.large import rows as large

RUNS = (ann, ctr, flow, fm, matching)


@pytest.fixture(params=RUNS, ids=lambda run: run.__name__.removeprefix("tools."))
def rows(request):
    """The rows of one run."""
    return request.param.rows()


def listed(root):
    return book.read_json(book.generated(root, "large.json"))["rows"]


def test_the_record_keeps_what_it_does_not_know(rows, tmp_path):
    """Rows of other runs and rows without a value stay; a trial says that it was one."""
    other = {"chapter": "1. NICE", "text": "something; 3 epochs", "measured": 1.0}
    book.write_json(book.generated(tmp_path, "large.json"), {"rows": [other]})
    large.record(rows, {}, "no device", root=tmp_path)
    assert listed(tmp_path) == [other, *rows]
    assert all(row["measured"] is None for row in rows)
    texts = [row["text"] for row in rows]
    large.record(rows, {texts[2]: 0.25}, "a GPU", "; 0.1 of the training", tmp_path)
    again = listed(tmp_path)
    assert again[3]["text"] == f"{texts[2]}; 0.1 of the training" and again[3]["date"]
    assert [row["measured"] for row in again[1:5]] == [None, None, 0.25, None]
    large.record(rows, {texts[2]: 0.125, texts[3]: 7.0}, "a CPU", root=tmp_path)
    again = listed(tmp_path)
    assert again[0] == other and [row["text"] for row in again[1:]] == texts
    assert [row["measured"] for row in again[3:5]] == [0.125, 7.0]
    assert again[3]["device"] == "a CPU" and again[3]["versions"]["torch"] == torch.__version__
    assert again[1:3] == rows[:2] and again[5:] == rows[4:]


def test_the_page_shows_which_were_run(rows, tmp_path):
    large.record(rows, {rows[2]["text"]: 0.125}, "a GPU", root=tmp_path)
    shown = "\n".join(pages.large(tmp_path))
    assert shown.count(pages.NOT_RUN) == len(rows) - 1
    assert f"0.125 {rows[2]['unit']}".strip() in shown


def test_the_book_lists_the_rows(rows):
    known = [row["text"].split(";")[0] for row in listed(book.ROOT)]
    assert all(known.count(row["text"]) == 1 for row in rows)


@pytest.mark.parametrize("run", [nice, ann, flow, fm], ids=lambda run: run.__name__)
def test_it_asks_for_a_gpu(run, monkeypatch):
    monkeypatch.setattr("sys.argv", ["full"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="wants a GPU"):
        run.main()


def test_the_device_and_its_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert large.wanted(cpu=True) == torch.device("cpu")
    with pytest.raises(SystemExit, match="all the same, for days"):
        large.wanted(cpu=False, patience=", for days")
    assert large.name_of(torch.device("cuda")) == "a GPU"
    assert large.name_of(torch.device("cpu")) == "CPU"
