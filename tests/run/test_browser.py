"""The page of a run in a real browser: nothing fails, all is seen, on every screen.

It needs Chromium (Debian: ``apt-get install chromium``), found by its name or told by
the variable ``ZOO_BROWSER``; without one the tests are skipped.
"""

import pytest

from tests.helpers.training import finished

# The least contrast between a text and what is behind it, as the Web Content
# Accessibility Guidelines 2.1 define it: a translucent ground is laid on those below.
CONTRAST = """
(() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => {
      v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    });
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const ground = element => {
    const above = [];
    for (let e = element; e; e = e.parentElement)
      above.push(parse(getComputedStyle(e).backgroundColor));
    let found = [255, 255, 255];
    for (const [r, g, b, a = 1] of above.reverse())
      found = found.map((v, k) => v * (1 - a) + [r, g, b][k] * a);
    return found;
  };
  let least = 99, where = "";
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || element.closest("style")) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const pair = [light(parse(ink)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < least) [least, where] = [ratio, element.outerHTML.slice(0, 200)];
  }
  return [least, where];
})()
"""
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
# Of each drawing its size, and how many of its lines and pictures can be seen.
DRAWINGS = """
[...document.querySelectorAll("svg")].map(svg => {
  const {width, height, left, right} = svg.getBoundingClientRect();
  const seen = [...svg.querySelectorAll("path, image")].filter(
    e => e.getBoundingClientRect().width + e.getBoundingClientRect().height > 0);
  return {width, height, left, right, seen: seen.length};
})
"""
TABLES = """
[...document.querySelectorAll("table")].map(table => {
  const cells = [...table.querySelectorAll("tbody td")];
  return [table.tBodies[0].rows.length, cells.filter(c => c.innerText).length];
})
"""
# Whether the picture of the weights holds different colours, drawn by the browser.
COLOURS = """
(async () => {
  const found = [];
  for (const image of document.querySelectorAll("svg image")) {
    const picture = new Image();
    picture.src = image.href.baseVal;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    found.push(new Set(new Uint32Array(data.buffer)).size);
  }
  return found;
})()
"""


# The parts of all other pages are in these: `test_report.py` reads every page.
@pytest.mark.parametrize("task", ["pos", "seq2seq"])
def test_the_page_in_a_browser(chromium, task, tmp_path_factory):
    out, _ = finished(task, tmp_path_factory)
    path = out / "report.html"
    chromium.look()
    chromium.open(path)
    fetched = [url for url in chromium.fetched() if not url.startswith("data:")]
    assert fetched == [path.absolute().as_uri()]
    assert task in chromium.value("document.title")
    for dark in (False, True):
        # A desk, a phone, the width of an A4 page within its margins.
        for width, media in ((1100, ""), (400, ""), (718, "print")):
            where = f"{width} px, {'dark' if dark else 'light'}, {media or 'screen'}"
            chromium.look(width=width, dark=dark, media=media)
            assert chromium.value(WIDTHS) == [width, width], where
            contrast, element = chromium.value(CONTRAST)
            assert contrast >= 4.5, (where, element)
            drawings = chromium.value(DRAWINGS)
            assert len(drawings) == 2 + 4 * (task == "seq2seq"), where
            for drawing in drawings:
                assert min(drawing["width"], drawing["height"]) > 100, where
                assert drawing["seen"] > 5, where
            for drawing in drawings[:2]:
                assert 0 <= drawing["left"] < drawing["right"] <= width, where
            tables = chromium.value(TABLES)
            assert len(tables) >= 4
            assert all(rows and filled for rows, filled in tables), where
    shown = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert shown == "rgb(255, 255, 255)", "a dark page is printed dark"
    assert chromium.value(
        "getComputedStyle(document.querySelector('nav')).display"
    ) == ("none")
    chromium.look(dark=True)
    dark = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, dark[4:-1].split(","))) < 40
    # Rows of a table and pictures are whole on a page: it can be printed.
    assert chromium.pdf().startswith(b"%PDF")
    assert chromium.complaints() == []


def test_the_weights_of_attention_are_drawn(chromium, tmp_path_factory):
    out, _ = finished("seq2seq", tmp_path_factory)
    chromium.look()
    chromium.open(out / "report.html")
    colours = chromium.value(COLOURS)
    assert len(colours) == 4
    assert all(count > 1 for count in colours)


def test_a_page_that_reaches_out_or_runs_is_told(chromium, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<script>console.error('no')</script><img src='nowhere.png'>")
    chromium.open(path)
    assert len(chromium.fetched()) == 2
    kinds = {event["method"] for event in chromium.complaints()}
    assert kinds == {"Runtime.consoleAPICalled", "Log.entryAdded"}
