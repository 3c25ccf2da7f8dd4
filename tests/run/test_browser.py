"""Reports in a real browser: nothing fails, and everything is visible and readable.

The tests need Chromium (Debian: ``apt-get install chromium``), on the path or named by
the variable ``ZOO_BROWSER``; they are skipped without it.
"""

from pathlib import Path

import pytest

from tests.helpers.browser import Browser
from tests.helpers.training import finished

# The lowest contrast between a text and its background, as defined by the Web Content
# Accessibility Guidelines 2.1. Translucent backgrounds are blended.
CONTRAST = """
(() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => {
      v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    });
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const background = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement)
      layers.push(parse(getComputedStyle(e).backgroundColor));
    let colour = [255, 255, 255];
    for (const [r, g, b, a = 1] of layers.reverse())
      colour = colour.map((v, k) => v * (1 - a) + [r, g, b][k] * a);
    return colour;
  };
  let lowest = 99, where = "";
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || element.closest("style")) continue;
    const style = getComputedStyle(element);
    const text = element.closest("svg") ? style.fill : style.color;
    const pair = [luminance(parse(text)), luminance(background(element))];
    pair.sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < lowest) [lowest, where] = [ratio, element.outerHTML.slice(0, 200)];
  }
  return [lowest, where];
})()
"""
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
# The size of each chart, and the number of its lines and bitmaps that are visible.
CHARTS = """
[...document.querySelectorAll("svg")].map(svg => {
  const {width, height, left, right} = svg.getBoundingClientRect();
  const visible = [...svg.querySelectorAll("path, image")].filter(
    e => e.getBoundingClientRect().width + e.getBoundingClientRect().height > 0);
  return {width, height, left, right, visible: visible.length};
})
"""
TABLES = """
[...document.querySelectorAll("table")].map(table => {
  const cells = [...table.querySelectorAll("tbody td")];
  return [table.tBodies[0].rows.length, cells.filter(c => c.innerText).length];
})
"""
# The number of different colours of each bitmap, as the browser draws it.
COLOURS = """
(async () => {
  const counts = [];
  for (const image of document.querySelectorAll("svg image")) {
    const picture = new Image();
    picture.src = image.href.baseVal;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    counts.push(new Set(new Uint32Array(data.buffer)).size);
  }
  return counts;
})()
"""


# These two have the elements of all other reports: `test_report.py` reads every report.
@pytest.mark.parametrize("task", ["pos", "seq2seq"])
def test_a_report_is_readable_on_every_screen(
    chromium: Browser, task: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out, _ = finished(task, tmp_path_factory)
    path = out / "report.html"
    chromium.emulate()
    chromium.open(path)
    requests = [url for url in chromium.requests() if not url.startswith("data:")]
    assert requests == [path.absolute().as_uri()]
    assert task in chromium.value("document.title")
    for dark in (False, True):
        # A desktop, a phone, the width of an A4 page within its margins.
        for width, media in ((1100, ""), (400, ""), (718, "print")):
            where = f"{width} px, {'dark' if dark else 'light'}, {media or 'screen'}"
            chromium.emulate(width=width, dark=dark, media=media)
            assert chromium.value(WIDTHS) == [width, width], where
            contrast, element = chromium.value(CONTRAST)
            assert contrast >= 4.5, (where, element)
            charts = chromium.value(CHARTS)
            assert len(charts) == 2 + 4 * (task == "seq2seq"), where
            for chart in charts:
                assert min(chart["width"], chart["height"]) > 100, where
                assert chart["visible"] > 5, where
            for chart in charts[:2]:
                assert 0 <= chart["left"] < chart["right"] <= width, where
            tables = chromium.value(TABLES)
            assert len(tables) >= 4
            assert all(rows and filled for rows, filled in tables), where
    background = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)", "a dark page is printed dark"
    navigation = "getComputedStyle(document.querySelector('nav')).display"
    assert chromium.value(navigation) == "none"
    chromium.emulate(dark=True)
    dark_rgb = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, dark_rgb[4:-1].split(","))) < 40
    assert chromium.pdf().startswith(b"%PDF")
    assert chromium.console_messages() == []


def test_attention_weights_are_drawn(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out, _ = finished("seq2seq", tmp_path_factory)
    chromium.emulate()
    chromium.open(out / "report.html")
    colours = chromium.value(COLOURS)
    assert len(colours) == 4
    assert all(count > 1 for count in colours)


def test_requests_and_scripts_of_a_page_are_detected(
    chromium: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<script>console.error('no')</script><img src='nowhere.png'>")
    chromium.open(path)
    assert len(chromium.requests()) == 2
    kinds = {event["method"] for event in chromium.console_messages()}
    assert kinds == {"Runtime.consoleAPICalled", "Log.entryAdded"}
