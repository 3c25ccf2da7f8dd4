"""HTML elements: text is escaped, values are formatted."""

import numpy as np

from tests.helpers.parsed_page import Page
from zoo.tasks.run import html


def test_text_is_escaped() -> None:
    for markup in (
        html.tag("p", "<script>alert('a & b')</script>"),
        html.table(["<script>"], [["<script>"]]),
        html.coloured_text([html.Token("<script>", 0.5, '"<script>')], "uncertainty"),
        html.confusion_matrix(np.eye(1, dtype=int), ["<script>"]),
        html.figure("<svg></svg>", '"<script>', "<script>"),
        html.page("<script>", html.join("<script>"), []),
    ):
        assert "<script>" not in markup
        assert "&lt;script&gt;" in markup
    link = html.tag("a", html.Html("<b>"), "<", title='"')
    assert link == '<a title="&quot;"><b>&lt;</a>'


def test_values_are_formatted() -> None:
    assert html.format_value(float("nan")) == "–"
    assert html.format_value(12345) == "12,345"
    assert html.format_value(0.5) == "0.5000"
    table = Page(html.table(["name", "score"], [["a", 0.25], ["b", None]])).table()
    assert table == [["name", "score"], ["a", "0.2500"], ["b", ""]]


def test_the_legend_has_both_ends_of_a_scale() -> None:
    for scale in ("uncertainty", "signed", "weight"):
        (legend,) = Page(html.legend(scale, "low", "high")).all("p", scale)
        assert legend.text.startswith("low") and legend.text.endswith("high")
