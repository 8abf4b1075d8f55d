"""What this book asks of Sphinx beyond its extensions; one function a wish."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.search.en import SearchEnglish

CJK = r"\u3400-\u4dbf\u4e00-\u9fff"


def expand_repository(app, docname, source):
    """``{{repository}}`` stands for the address in ``_config.yml``, in code blocks too."""
    source[0] = source[0].replace(
        "{{repository}}", app.config.html_theme_options["repository_url"]
    )


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
        if "output" in node["classes"] and node.astext().startswith("claim "):
            node["classes"].append("fr-claim")


def plain_citations(app, pagename, templatename, context, doctree):
    """docutils calls the bibliography a list, though its entries are none: drop the role."""
    context["body"] = context.get("body", "").replace(
        'role="list" class="citation-list"', 'class="citation-list"'
    )


def name_chinese(app, pagename, templatename, context, doctree):
    """``lang="zh"`` on Chinese runs, for the right glyphs and the right voice."""
    skip = r"<(script|style|title|svg|textarea)\b.*?</\1>|<[^>]*>"
    runs = rf"{skip}|(?P<run>[{CJK}]+)"
    context["body"] = re.sub(
        runs,
        lambda m: f'<span lang="zh">{m["run"]}</span>' if m["run"] else m[0],
        context.get("body", ""),
        flags=re.DOTALL,
    )


class SearchBoth(SearchEnglish):
    """English words, and Chinese by pairs of characters, so that part of a term is found too."""

    js_splitter_code = r"""
function splitQuery(query) {
  const words = query.match(/[CJK]+|(?:(?![CJK])[\p{Letter}\p{Number}_])+/gu) || [];
  return words.flatMap((word) =>
    /^[CJK]{3,}$/.test(word)
      ? Array.from(word.slice(1), (character, i) => word[i] + character)
      : [word]);
}
""".replace("CJK", CJK)

    def split(self, input):
        for word in re.findall(rf"[{CJK}]+|(?:(?![{CJK}])\w)+", input):
            if re.match(rf"[{CJK}]{{3}}", word):
                yield from (word[i : i + 2] for i in range(len(word) - 1))
            else:
                yield word


def setup(app):
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it, nobody here reads it
    app.add_search_language(SearchBoth)
    app.connect("source-read", expand_repository)
    app.connect("doctree-resolved", keep_display_math)
    app.connect("doctree-resolved", mark_claims)
    app.connect("html-page-context", plain_citations)
    app.connect("html-page-context", name_chinese, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
