"""Make nbgrader's feedback page safe to open anywhere: nothing remote, nothing that runs."""

from __future__ import annotations

import html

from bs4 import BeautifulSoup, Comment

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
FORBIDDEN = "script style link iframe frame object embed base form input button meta audio video"
FORBIDDEN += " source track svg math template noscript"
HARMLESS = {"class", "id", "name", "alt", "lang", "colspan", "rowspan"}
STYLE = """
body { max-width: 56rem; margin: 0 auto; padding: 1rem; background: #fff; color: #222;
  font: 16px/1.5 system-ui, sans-serif; }
h4 { font-size: 1.3rem; margin: 0; }
a { color: inherit; }
pre { margin: 0; font: 14px/1.45 ui-monospace, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; }
img { max-width: 100%; }
table { border-collapse: collapse; }
td, th { border: 1px solid #ccc; padding: .2em .6em; }
.prompt { display: none; }
.input_area { border-left: 3px solid #ccc; padding: .4em .8em; margin: .8em 0; }
.output_area { margin: .4em 0; padding-left: 1em; }
.output_error pre, .output_stderr pre { color: #b0301c; }
.nbgrader_cell { border: 1px solid #0072b2; margin: 1em 0; }
.nbgrader_cell .panel-heading { background: #0072b2; color: #fff; padding: .3em .8em; }
.nbgrader_cell .panel-body { padding: 0 .8em; }
.nbgrader_cell .panel-footer { border-top: 1px solid #0072b2; padding: .3em .8em; }
.nbgrader_cell .input_area { border: 0; padding: .4em 0; }
.pull-right { float: right; }
.highlight .k, .highlight .kn, .highlight .ow { color: #0072b2; font-weight: 600; }
.highlight .s1, .highlight .s2, .highlight .sd { color: #00694b; }
.highlight .c1 { color: #6b6b6b; font-style: italic; }
"""


def clean(page: str) -> str:
    """Take everything out of a page that loads, runs, or leads elsewhere."""
    soup = BeautifulSoup(page, "html.parser")
    title = soup.title.get_text() if soup.title else "Feedback"
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for element in soup.find_all(FORBIDDEN.split()):
        element.decompose()
    for element in soup.find_all(True):
        element.attrs = {
            key: value for key, value in element.attrs.items() if _harmless(key, value)
        }
    return _page(title, soup.body.decode_contents() if soup.body else "")


def plain(title: str, sentence: str) -> str:
    """A page for a submission that could not be graded."""
    return _page(title, f"<h4>{html.escape(title)}</h4>\n<p>{html.escape(sentence)}</p>")


def _harmless(key: str, value: str | list[str]) -> bool:
    if key == "href":
        return str(value).startswith("#")
    return key in HARMLESS or (key == "src" and str(value).startswith("data:image/png;base64,"))


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
