"""A page: one HTML file with all that it needs, which asks no other address for anything.

Each section has text, and figures that a script draws as they come into view.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

import numpy

from shoal.search.errors import BadInput
from shoal.search.plots import Figure
from shoal.search.watching import printable

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""What a browser may load. Plotly compiles functions for WebGL, as text."""

LONG = 40
"""Characters of a cell whose text may be broken."""

MARK = '<meta name="generator" content="shoal report">'
"""Stands in the beginning of each page."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page.

    Attributes:
        name: an identifier; title: as text. html: what stands above the figures, escaped already.
        figures: drawn in columns, each with its name. wide: whether each has the whole width.
    """

    name: str
    title: str
    html: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)
    wide: bool = False


def document(title: str, sections: Sequence[Section], live: str | None = None) -> str:
    """Return a page as HTML.

    Args:
        title: as text. live: where the page asks for what is new; None: it does not.

    Raises:
        BadInput: Plotly is missing.
    """
    assets = files("shoal.search.report")
    style = assets.joinpath("page.css").read_text("utf-8")
    script = assets.joinpath("page.js").read_text("utf-8")
    nav = "".join(f'<a href="#{each.name}">{words(each.title)}</a>' for each in sections)
    body = "\n".join(_section(each) for each in sections)
    known = {"figures": _figures(sections), "live": live}
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f"{MARK}\n"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{words(title)}</title>\n<style>\n{style}</style></head>\n"
        f"<body><header><h1>{words(title)}</h1><p id='standing'></p><nav>{nav}</nav></header>\n"
        f"<main>\n{body}\n</main>\n"
        f"<script>{plotly()}</script>\n"
        f'<script type="application/json" id="known">{encoded(known)}</script>\n'
        f"<script>\n{script}</script></body></html>\n"
    )


def news(sections: Sequence[Section], standing: str) -> str:
    """Return, as JSON, what a live page shows from now on."""
    texts = {each.name: each.html for each in sections}
    return encoded({"texts": texts, "figures": _figures(sections), "standing": standing})


def words(text: object) -> str:
    """Text of a user as HTML: no part of it is markup, and none commands a terminal."""
    return escape(printable(str(text)))


def table(rows: Sequence[Sequence[object]], head: Sequence[str] = (), numbers: int = 0) -> str:
    """Return a table as HTML.

    Args:
        rows: of text. head: of the columns. numbers: how many columns, the last ones, are to the
            right.
    """
    width = len(rows[0]) if rows else len(head)
    ends = [' class="number"' if width - i <= numbers else "" for i in range(width)]
    parts = ['<div class="scroll"><table>']
    if head:
        cells = "".join(f"<th{end}>{words(t)}</th>" for t, end in zip(head, ends, strict=True))
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for row in rows:
        cells = "".join(_cell(t, end) for t, end in zip(row, ends, strict=True))
        parts.append(f"<tr>{cells}</tr>")
    parts.append("</tbody></table></div>")
    return "".join(parts)


def _cell(value: object, kind: str) -> str:
    text = words(value)
    long = ' class="long"' if len(text) > LONG else ""
    return f"<td{kind or long}>{text}</td>"


def encoded(value: Any) -> str:
    """Return JSON that may stand in a page; arrays of numbers are bytes, as Plotly reads them."""
    text = json.dumps(value, default=_array, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _array(value: Any) -> Any:
    if isinstance(value, numpy.generic):
        return value.item()
    if not isinstance(value, numpy.ndarray):
        raise TypeError(f"{type(value).__name__} is no JSON")
    kind, size = value.dtype.kind, value.dtype.itemsize
    if kind not in "fiu":
        return value.tolist()
    if kind != "f" and size == 8:  # a browser has no whole numbers of 64 bits
        value, kind, size = value.astype(float), "f", 8
    plain = value.astype(value.dtype.newbyteorder("<"))
    known = {"dtype": f"{kind}{size}", "bdata": base64.b64encode(plain.tobytes()).decode()}
    if value.ndim > 1:
        known["shape"] = ",".join(map(str, value.shape))
    return known


def _section(section: Section) -> str:
    drawn = "".join(
        f'<div class="figure" data-figure="{escape(key)}"></div>' for key in _keys(section)
    )
    columns = "" if section.wide else " columns"
    return (
        f'<section id="{section.name}"><h2>{words(section.title)}</h2>\n'
        f'<div class="text" data-text="{section.name}">{section.html}</div>\n'
        f'<div class="figures{columns}">{drawn}</div></section>'
    )


def _figures(sections: Sequence[Section]) -> dict[str, Figure]:
    return {
        key: figure
        for section in sections
        for key, figure in zip(_keys(section), section.figures.values(), strict=True)
    }


def _keys(section: Section) -> list[str]:
    return [f"{section.name}/{name}" for name in section.figures]


def plotly() -> str:
    """Plotly's script, as its package for Python has it.

    Raises:
        BadInput: it is missing.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise BadInput('the page needs Plotly; type: pip install "shoal[plots]"') from error
    script: str = get_plotlyjs()
    return script.replace("</script", "<\\/script")
