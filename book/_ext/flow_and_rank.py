"""What this book asks of Sphinx beyond its extensions; one function a wish."""

from __future__ import annotations

import re

from docutils import nodes
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.template import first_of, optional
from sphinx.search.en import SearchEnglish

CHINESE = r"\u3400-\u4dbf\u4e00-\u9fff"
FORMULA = r'<span class="math [^"]*">[^<]*</span>'
TOGETHER = r'<span class="fr-together">\g<0></span>'
# In the finished HTML of a page: (what to look for, what to put there).
POLISH = (
    # No line break between a formula and the comma, bracket or hyphen that clings to it,
    (rf"\(?{FORMULA}(?:[,.;:!?)\]’”]+|-\w+)|\({FORMULA}", TOGETHER),
    # nor inside the name of an exercise.
    (r"(?<=<h3>Exercise )[\w-]+", TOGETHER),
    # docutils calls the bibliography a list, though its entries are no list items,
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    # and them by a role that is no longer one.
    (r' role="doc-biblioentry"', ""),
)
MARK = r"<small>checked by <code>[^<]*</code>"
SKIP = r"<(script|style|title|svg|textarea)\b.*?</\1>|<[^>]*>"


def expand_repository(app, docname, source):
    """``{{repository}}`` stands for the address in ``_config.yml``, in code blocks too."""
    source[0] = source[0].replace("{{repository}}", app.config.html_theme_options["repository_url"])


def keep_display_math(app, doctree, docname):
    r"""Hand ``$$ ... $$`` to MathJax as written.

    Sphinx wraps an equation that holds ``\\`` in ``split``, where ``\tag`` is an error.
    """
    for node in doctree.findall(nodes.math_block):
        if not node.get("nowrap"):
            node["nowrap"] = True
            node.children = [nodes.Text(rf"\[{node.astext()}\]")]


def mark_claims(app, doctree, docname):
    """Class ``fr-claim`` for the lines that ``helpers.claims`` prints, so that CSS finds them."""
    for node in doctree.findall(nodes.literal_block):
        if "output" in node["classes"] and re.match(r"claim \S+: holds", node.astext()):
            node["classes"].append("fr-claim")


def polish(app, pagename, templatename, context, doctree):
    """Small repairs in a page's HTML."""
    body = context.get("body", "")
    for pattern, better in POLISH:
        body = re.sub(pattern, better, body)
    # The long name of a test breaks between words where it must.
    body = re.sub(MARK, lambda m: re.sub(r"::|(?<=\w)[_/]", r"\g<0><wbr>", m[0]), body)
    # Chinese is named as such, for the right glyphs and the right voice.
    context["body"] = re.sub(
        rf"{SKIP}|(?P<run>[{CHINESE}]+)",
        lambda m: f'<span lang="zh">{m["run"]}</span>' if m["run"] else m[0],
        body,
        flags=re.DOTALL,
    )


class SearchBoth(SearchEnglish):
    """English words, and Chinese by pairs of characters, so that part of a term is found too."""

    js_splitter_code = r"""
function splitQuery(query) {
  const words = query.match(/[CHINESE]+|(?:(?![CHINESE])[\p{Letter}\p{Number}_])+/gu) || [];
  return words.flatMap((word) =>
    /^[CHINESE]{3,}$/.test(word)
      ? Array.from(word.slice(1), (character, i) => word[i] + character)
      : [word]);
}
""".replace("CHINESE", CHINESE)

    def split(self, input):
        for word in re.findall(rf"[{CHINESE}]+|(?:(?![{CHINESE}])\w)+", input):
            if re.match(rf"[{CHINESE}]{{3}}", word):
                yield from (word[i : i + 2] for i in range(len(word) - 1))
            else:
                yield word


class OneLink(Style):
    """One link to each work: its arXiv page, its DOI, or what else the entry gives."""

    def format_web_refs(self, e):
        ways = (self.format_eprint(e), self.format_doi(e), self.format_url(e))
        return first_of[tuple(optional[way] for way in ways)]


def setup(app):
    register_plugin("pybtex.style.formatting", "one_link", OneLink)
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it, nobody here reads it
    app.add_search_language(SearchBoth)
    app.connect("source-read", expand_repository)
    app.connect("doctree-resolved", keep_display_math)
    app.connect("doctree-resolved", mark_claims)
    app.connect("html-page-context", polish)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
