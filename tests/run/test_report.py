"""The page of a run: whole, self-contained, with the numbers of the run."""

import json
import re
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import zoo
from tasks.run import html, report, sections, unit_features
from tasks.run.sections.seq2seq import confidence
from tasks.sequence_metrics import edits
from tests.helpers.training import TASKS, finished
from zoo.pipelines import ClassifierPipeline, LanguageModelPipeline, Seq2SeqPipeline
from zoo.text import Text, Vocabulary

VOID = {"meta", "link", "br", "image", "use", "path", "rect", "line"}
FIRST, LAST = ["Scores", "Curves"], ["Data", "Model", "Configuration"]
WRONG, CLASSES = ["Worst errors"], ["Classes", "Confusion"]
BETWEEN = {
    "classification": [*CLASSES, *WRONG, "What counted"],
    "pos": [*CLASSES, *WRONG],
    "ner": [*CLASSES, *WRONG],
    "charlm": ["Samples", *WRONG, "One unit over the text"],
    "seq2seq": [*WRONG, "Attention"],
    "memory": [*WRONG, "Gradient", "Gates"],
}
# Drawings beside the two of the curves, and images in them.
DRAWN = {"seq2seq": (4, 4), "memory": (2, 4)}


class Page(HTMLParser):
    """What stands on a page: elements with their texts, tables, sections."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = SimpleNamespace(
            tag=tag, has=dict(attrs), text="", inside=[e.tag for e in self.open]
        )
        element.above = list(self.open)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop().tag == tag, "an element is not closed"

    def handle_data(self, data):
        for element in self.open:
            element.text += data

    def all(self, tag, kind="", within=None):
        """Return the elements of a name and a class, within another."""
        return [
            e
            for e in self.elements
            if e.tag == tag
            and kind
            in e.has.get("class", "").split(" " if kind else None)
            + ([""] if not kind else [])
            and (within is None or any(within is a for a in e.above))
        ]

    def table(self, kind):
        """Return the texts of a table's cells."""
        (whole,) = self.all("table", kind)
        rows = self.all("tr", within=whole)
        return [
            [e.text for e in self.elements if e.tag in ("td", "th") and row in e.above]
            for row in rows
        ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder, the page and its text of a run of each task."""

    def get(task):
        out, _ = finished(task, tmp_path_factory)
        text = (out / "report.html").read_text(encoding="utf-8")
        return out, Page(text), text

    return get


@pytest.mark.parametrize("task", TASKS)
def test_the_page_is_whole_and_needs_nothing_else(made, task):
    _, found, text = made(task)
    assert not found.open
    assert [e.text for e in found.all("h2")] == [*FIRST, *BETWEEN[task], *LAST]
    assert not {"script", "iframe", "object"} & {e.tag for e in found.elements}
    names = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}
    for element in found.elements:
        for name in names & element.has.keys():
            value = element.has[name]
            assert value.startswith(("#", "data:")), (element.tag, name, value[:80])
        assert "url(" not in element.has.get("style", "")
    (style,) = found.all("style", within=found.all("head")[0])
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert "http" not in text.replace("http-equiv", "")
    links = {e.has["href"][1:] for e in found.all("a")}
    assert links == {e.has["id"] for e in found.all("section")}
    drawings = found.all("svg")
    more, images = DRAWN.get(task, (0, 0))
    assert len(drawings) == 2 + more
    for drawing in drawings:
        assert drawing.has["aria-label"]
        assert len(found.all("path", within=drawing)) > 5
    pictures = found.all("image")
    assert len(pictures) == images
    for picture in pictures:
        assert len(picture.has["xlink:href"]) > 200
    assert "#010203" not in text


@pytest.mark.parametrize("task", TASKS)
def test_the_tables_hold_the_numbers_of_the_run(made, task):
    out, found, _ = made(task)
    metrics = json.loads((out / "metrics.json").read_text())
    config = json.loads((out / "config.json").read_text())
    (_, *head), *rows = found.table("scores")
    by_name = {name: dict(zip(head, cells, strict=True)) for name, *cells in rows}
    expected = {"dev": metrics["dev"], "test": metrics["test"]}
    expected |= {f"test, {k}": v for k, v in metrics["baselines"].items()}
    assert by_name.keys() == expected.keys()
    for name, scores in expected.items():
        for score, value in scores.items():
            if isinstance(value, float):
                assert by_name[name][score.replace("_", " ")] == f"{value:.4f}"
    flags = [row for row in found.all("td") if row.text.startswith("--")]
    assert len(flags) == len(config["flags"])
    assert zoo.summary(zoo.load(out).model) in [e.text for e in found.all("pre")]
    if "per_class" not in metrics["test"]:
        return
    _, *rows = found.table("classes")
    table = metrics["test"]["per_class"]
    assert [row[0] for row in rows] == list(table)
    for name, *cells in rows:
        told = [
            f"{v:.4f}" if type(v) is float else f"{v:,}" for v in table[name].values()
        ]
        assert cells == told
    (_, *labels), *rows = found.table("matrix")
    assert [row[0] for row in rows] == labels
    counts = np.array([[whole(c or "0") for c in row[1:]] for row in rows])
    share = counts.trace() / counts.sum()
    assert share == pytest.approx(metrics["test"]["accuracy"], abs=1e-12)
    _, *pairs = found.table("confused")
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    assert whole(pairs[0][2]) == wrong.max()
    for true, guess, times, _ in pairs:
        assert whole(times) == counts[labels.index(true), labels.index(guess)] > 0


def whole(shown):
    """Return a number as the page shows it: 1,234."""
    return int(shown.replace(",", ""))


@pytest.mark.parametrize("task", [task for task in TASKS if task != "memory"])
def test_the_worst_errors_are_errors(made, task):
    out, found, _ = made(task)
    (section,) = [e.above[-1] for e in found.all("h2") if e.text in ("Worst errors",)]
    items = found.all("li", within=section)
    assert len(items) == (6 if task == "seq2seq" else 20)
    sure = []
    for item in items:
        if task == "seq2seq":
            continue
        true, guess = found.all("b", within=item)
        assert true.text != guess.text
        marked = found.all("mark", within=item)
        if task in ("pos", "ner"):
            tags = true.text.split(), guess.text.split()
            assert len(marked) == len(tags[0]) == len(tags[1])
            assert all(a != b for a, b in zip(*tags, strict=True))
            sure.append(float(item.text.split("sure to ")[1][:6]))
            told = [float(m.has["title"].split()[1]) for m in marked]
            assert max(told) == pytest.approx(sure[-1], abs=0.006)
        if task == "charlm":
            assert len(marked) == 1
            sure.append(-float(item.text.split("(")[1].split(")")[0]))
    assert sure == sorted(sure, reverse=True)


def test_what_was_not_remembered(made):
    _, found, _ = made("memory")
    items = found.all("li", within=found.all("ol", "errors")[0])
    assert len(items) == 20
    counts = []
    for item in items:
        (head,) = found.all("b", within=item)
        wrong, asked = map(int, re.findall(r"\d+", head.text))
        assert asked == 10
        assert len(found.all("mark", within=item)) == wrong > 0
        counts.append(wrong)
    assert counts == sorted(counts, reverse=True)

    made = np.array([[0.5, 1.0], [0.25, 0.0], [0.75, 1.0]])
    rows = [
        {"made": made, "target": np.array(1.25), "answer": np.array(answer)}
        for answer in (1.2, 0.25)
    ]
    table = Page(sections.sums(rows)).table("")
    assert table[1:] == [
        ["0.500 at step 1", "0.750 at step 3", "1.2500", "0.2500", "1.0000"],
        ["0.500 at step 1", "0.750 at step 3", "1.2500", "1.2000", "0.0500"],
    ]
    pixels = np.zeros((64, 1))
    row = {"made": pixels, "target": 4, "answer": 9, "probability": np.array(0.75)}
    drawn = sections.digits([row, row | {"answer": 4}, row | {"probability": 0.9}])
    assert "The 2 of 2 digits" in drawn
    assert drawn.index("4, not 9: 0.90") < drawn.index("4, not 9: 0.75")
    assert sections.digits([row | {"answer": 4}]) == "<p>Every digit is read.</p>"
    right = {"target": pixels, "answer": pixels, "recalled": pixels == 0}
    told = sections.symbols([right | {"probability": pixels}])
    assert told == "<p>Every symbol is recalled.</p>"


def test_text_is_text(made):
    out, found, text = made("charlm")
    assert "<b>not</b>" not in text
    assert len(found.all("pre", "sample")) == 3
    shown = found.all("p", "letters")[-1].text.replace("⏎", "")
    assert "<b>not</b>" in shown
    assert shown in (out.parent / "text.txt").read_text()
    for markup in (
        html.tag("p", "<script>alert('a & b')</script>"),
        html.table(["<script>"], [["<script>"]]),
        html.tokens([html.Token("<script>", 0.5, '"<script>')], "doubt"),
        html.matrix(np.eye(1, dtype=int), ["<script>"]),
        html.picture("<svg></svg>", '"<script>', "<script>"),
        html.page("<script>", html.join("<script>"), []),
    ):
        assert "<script>" not in markup
        assert "&lt;script&gt;" in markup
    assert html.tag("a", html.Html("<b>"), "<", title='"') == (
        '<a title="&quot;"><b>&lt;</a>'
    )
    assert html.shown(float("nan")) == "–"
    assert html.shown(12345) == "12,345"


def test_errors_of_a_tagger_are_ranked():
    labels = ["A", "B", "C"]
    row = {
        "labels": np.array([0, 0, 1, 2, 0]),
        "predicted": np.array([0, 1, 2, 2, 1]),
        "probability": np.array([0.9, 0.5, 0.7, 1.0, 0.6], np.float32),
        "mask": np.array([True] * 5),
    }
    cut = {**row, "mask": np.array([True] * 4 + [False])}
    (section,) = sections.tagging(
        lambda number: [f"w{number}{k}" for k in range(5)],
        labels,
        [(3, cut), (4, {**row, "probability": row["probability"] / 2})],
    )
    found = Page(section.body)
    told = [e.text for e in found.all("p", within=None) if "taken for" in e.text]
    assert told == [
        "A B taken for B C, sure to 0.7000",
        "A B taken for B C, sure to 0.3500",
        "A taken for B, sure to 0.3000",
    ]
    assert [e.text for e in found.all("mark")] == ["w31", "w32", "w41", "w42", "w44"]
    right = {**row, "predicted": row["labels"]}
    (section,) = sections.tagging(lambda number: [""] * 5, labels, [(0, right)])
    assert section.body == "<p>Every tag is right.</p>"


@pytest.mark.parametrize("pooling", ["max", "attention"])
def test_contributions_are_what_a_token_adds(pooling):
    words = ["a", "b", "c", "d"]
    text = Text.build(["a b c d"], "words")
    options = {"vocab_size": len(text.vocabulary), "num_labels": 3, "embedding_dim": 5}
    options |= {"cell": "rnn", "hidden_size": 4, "pooling": pooling}
    options["bidirectional"] = False
    pipeline = ClassifierPipeline(options, text, Vocabulary(["x", "y", "z"]), seed=1)
    ids, mask = np.array([[*text.encode("a b c d"), 0]]), np.ones((1, 5), bool)
    mask[0, 4] = False
    method = jax.jit(
        lambda params: pipeline.apply(params, ids, mask, method="contributions")
    )
    given = method(pipeline.params)
    score = jax.jit(lambda params: pipeline.apply(params, ids, mask)[0])
    best = int(score(pipeline.params).argmax())
    # The score as its token's vector is made a little longer and shorter.
    for t in range(4):
        scores = []
        for factor in (1.01, 0.99):
            params = jax.tree.map(np.array, pipeline.params)
            params["embedding"]["table"][ids[0, t]] *= np.float32(factor)
            scores.append(float(score(params)[best]))
        assert float(given[0, t]) == pytest.approx(
            (scores[0] - scores[1]) / 0.02, abs=2e-4
        )
    assert float(given[0, 4]) == 0
    row = {"label": np.int32(best), "predicted": np.int32((best + 1) % 3)}
    row["probabilities"] = np.array([0.2, 0.3, 0.5], np.float32)
    right = {**row, "predicted": row["label"]}
    wrong, counted = sections.classification(
        pipeline, lambda number: "a b <c> d", [(0, row), (1, right)]
    )
    found = Page(wrong.body)
    (item,) = found.all("li")
    assert pipeline.labels.tokens[best] in item.text
    shown = found.all("span", within=found.all("p", "tokens")[0])
    assert [e.text for e in shown] == [*words[:2], "<", "c", ">", "d"]
    strongest = [e for e in shown if e.has.get("style") == "--a:1.00"]
    assert len(strongest) == 1
    assert len(Page(counted.body).all("li")) == 1
    if pooling == "attention":
        weights = pipeline.apply(pipeline.params, ids, mask, method="attention")
        assert float(weights.sum()) == pytest.approx(1, abs=1e-6)
        assert float(weights[0, 4]) == 0


def test_surprises_of_a_language_model(monkeypatch):
    module = sys.modules["tasks.run.sections.language_model"]
    monkeypatch.setattr(module, "LENGTH", 5)
    text = Text.build(["ab <&"], "chars")
    options = {"vocab_size": len(text.vocabulary), "cell": "rnn", "num_layers": 1}
    pipeline = LanguageModelPipeline(options, text)
    labels = text.encode("ab <& ba")
    test = {
        "labels": labels,
        "expected": np.where([0, 0, 1, 0, 1, 0, 1, 0], labels[3], labels),
        "sure": np.linspace(0.5, 0.9, 8),
        "probability": np.array([0.3, 0.9, 0.01, 0.8, 0.1, 0.7, 0.2, 0.6]),
    }
    samples, wrong, unit = sections.language_model(pipeline, "ab", test)
    assert [e.text[:2] for e in Page(samples.body).all("pre")] == ["ab"] * 3
    found = Page(wrong.body)
    heads = [e.text for e in found.all("p") if " came " in e.text]
    assert heads == [
        f"{letter} came ({p}), expected was < ({sure})"
        for letter, p, sure in (
            ("␣", "1.0e-02", "0.6143"),
            ("&", "1.0e-01", "0.7286"),
            ("b", "2.0e-01", "0.8429"),
        )
    ]
    letters = found.all("p", "letters")[0].text
    assert letters == "ab␣<& ba"
    assert Page(unit.body).all("p", "letters")[0].text == "ab <& ba"


def test_the_unit_follows_the_feature():
    letters = list('ab "cd (e" f)\nghi j\n\n"k l\n\nm')
    seen = unit_features.features(letters)
    assert seen["place in the line"][:4].tolist() == [1, 2, 3, 4]
    assert seen["place in the line"][13:16].tolist() == [0, 1, 2]
    assert seen["place in the word"][:4].tolist() == [1, 2, 0, 1]
    inside = "".join(
        c for c, q in zip(letters, seen["quotation marks around it"], strict=True) if q
    )
    assert inside == '"cd (e"k l\n'
    deep = seen["brackets around it"]
    assert "".join(c for c, d in zip(letters, deep, strict=True) if d) == '(e" f'
    y = np.random.default_rng(0).normal(size=(len(letters), 6)).astype(np.float32)
    y[:, 2] -= 5 * seen["quotation marks around it"]
    y[:, 4] = 1
    found = unit_features.follow(y, seen)
    assert (found[0].feature, found[0].unit) == ("quotation marks around it", 2)
    for one in found:
        moving = [0, 1, 2, 3, 5]
        r = [np.corrcoef(y[:, k], seen[one.feature])[0, 1] for k in moving]
        assert one.unit == moving[int(np.abs(r).argmax())]
        assert one.r == pytest.approx(r[moving.index(one.unit)], abs=1e-5)
    assert [abs(one.r) for one in found] == sorted(
        (abs(one.r) for one in found), reverse=True
    )
    assert unit_features.follow(y, {"none": np.ones(len(letters))}) == []
    assert unit_features.liveliest(y) == int(y.std(axis=0).argmax())


def test_confidence_is_that_of_each_step():
    source = Text.build(["abc"], "chars")
    target = Text.build(["xyz"], "chars", marks=True)
    options = {
        "source_vocab_size": len(source.vocabulary),
        "target_vocab_size": len(target.vocabulary),
        "embedding_dim": 4,
        "cell": "rnn",
        "hidden_size": 4,
        "bidirectional": False,
    }
    pipeline = Seq2SeqPipeline(options, source, target, 6)
    given = confidence(pipeline, ["ab", "c"], ["xzy", ""])
    assert given[1] == []

    def by_hand(model):
        encoded, memory = model.encode(source.encode("ab")[None])
        state, found, last = model.init_decoder(encoded), [], pipeline.begin
        for token in target.encode("xzy").tolist():
            state, logits, _ = model.step(state, memory, np.array([last], np.int32))
            found.append((token, logits[0]))
            last = token
        return found

    steps = jax.jit(lambda params: pipeline.apply(params, method=by_hand))
    for p, (token, logits) in zip(given[0], steps(pipeline.params), strict=True):
        odds = np.exp(np.asarray(logits, np.float64))
        assert p == pytest.approx(odds[token] / odds.sum(), rel=1e-5)


def test_edits_by_hand():
    assert edits(["kitten", "sitting "], "sitten", list) == (1, 6)
    assert edits(["a b c"], "a  x c d", str.split) == (2, 3)
    assert edits(["same"], " same", list) == (0, 4)
    assert edits(["abc"], "", list) == (3, 3)
    assert edits([""], "ab", list) == (2, 0)


def test_what_goes_wrong_with_the_page_loses_nothing(tmp_path, capsys):
    run = SimpleNamespace(path=tmp_path)
    task = SimpleNamespace(
        pipeline=SimpleNamespace(params=None), config=SimpleNamespace(debug=False)
    )
    report.write(run, task, {}, None)
    told = capsys.readouterr()
    assert "report.html could not be written, FileNotFoundError" in told.err
    assert "the model and its scores are saved" in told.err
    assert not list(tmp_path.iterdir())
    task.config.debug = True
    with pytest.raises(FileNotFoundError):
        report.write(run, task, {}, None)
