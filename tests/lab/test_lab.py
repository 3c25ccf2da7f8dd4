"""The lab: its command, its page in a browser, and what its sentences say."""

import numpy as np
import pytest

import zoo
from tasks.lab import page as lab_page
from tasks.lab.comparison import Lab, lengths, names
from tasks.run import gradient_decay
from tests.helpers import browser
from tests.helpers.training import environment, run


def cell(name, loss, before, after, **more):
    """Return what might have been measured of a cell."""
    history = [{"epoch": k + 1, "dev_mse": v} for k, v in enumerate((0.17, loss))]
    scores = {"mse": loss, "accuracy": 1.0 if loss < 0.01 else 0.1}
    found = {"gates": {}, "saturation": {}, "by_length": {5: scores, 10: scores}}
    return lab_page.Cell(
        name=name,
        parameters=100,
        history=history,
        test=scores,
        minutes=1.0,
        before=np.array(before),
        after=np.array(after),
        **{**found, **more},
    )


def test_sentences_follow_from_the_figures(tmp_path):
    gates = {"f": np.full((1, 10, 2), 0.5)}
    gates["f"][..., 1] = 0.5 ** (1 / 8)  # halves in eight steps
    saturation = {"f": zoo.diagnostics.saturation(gates["f"])}
    fading = 0.1 ** np.arange(10.0)
    cells = [
        cell("rnn", 0.166, fading, fading),
        cell("gru", 0.1, np.ones(10), 10 ** np.arange(10.0)),
        cell(
            *("lstm", 0.001, np.full(10, 0.25), np.ones(10)),
            gates=gates,
            saturation=saturation,
        ),
    ]
    starts = [lab_page.Start("torch", 0.1, {"rnn": fading}, True)]
    path = tmp_path / "lab.html"
    problem = lab_page.Problem(None, lambda T: 1 / 6, "mse", 1, 0, 2, {})
    lab_page.write(path, Lab(length=5), cells, starts, problem)
    page = path.read_text()
    for told in (
        "rnn: does not remember. gru: remembers in part. lstm: remembers.",
        "rnn does not leave the line of no memory. gru leaves the line of no memory in "
        "epoch 2.",
        "lstm: 100% right at the 5 steps of its training, 100% at 10.",
        "vanishes: below a thousandth from lag 4",
        "explodes: above a thousandfold from lag 4",
        "stays: 0.25 of it is left at lag 9",
        "rnn has no gates. gru has no gates. The unit of lstm that forgets the least "
        "halves what it keeps in 8 steps.",
        "begin torch, inputs × 0.1 (trained here)",
    ):
        assert told in page, told


def test_numbers_and_lists_are_as_a_sentence_has_them():
    assert [gradient_decay.number(v) for v in (0.0, 0.25, 3e-12, 123456.0)] == [
        *("0", "0.25", "3·10^-12", "1·10^5")
    ]
    assert lab_page.listed(["a"]) == "a"
    assert lab_page.listed(["a", "b", "c"]) == "a, b and c"
    assert lab_page.half_life(np.ones(3)) == float("inf")


def test_lengths_and_names():
    assert lengths(Lab(length=100)) == [25, 50, 100, 200]
    assert lengths(Lab(length=3)) == [2, 3, 6]
    assert lengths(Lab(problem="digits")) == []
    assert names(Lab(cells="rnn, lru")) == ["rnn", "lru"]
    with pytest.raises(ValueError, match="each cell once, got 'rnn,rnn'"):
        names(Lab(cells="rnn,rnn"))
    with pytest.raises(ValueError, match="'lstm'.*got 'lsmt'"):
        names(Lab(cells="lsmt"))


def test_the_command_writes_a_page(tmp_path, tmp_path_factory):
    env = environment(tmp_path_factory)
    flags = ["--cells", "gru", "--problem", "delay", "--length", "2", "--epochs", "1"]
    flags += ["--hidden-size", "4", "--limit-train", "64", "--out", tmp_path / "lab"]
    first = run("tasks.lab", *flags, env=env)
    assert first.returncode == 0, first.stderr
    page = tmp_path / "lab" / "lab.html"
    assert f"lab: {page}" in first.stdout
    found = browser.find()
    if found:
        shown = browser.Browser(found)
        try:
            shown.look(width=400)
            shown.open(page)
            assert not shown.complaints()
            near = (page.absolute().as_uri(), "data:")
            assert all(address.startswith(near) for address in shown.fetched())
            pictures = "document.querySelectorAll('svg').length"
            assert shown.value(pictures) == 4 + 1 + 8  # curves, gates, ways to begin
            assert shown.value("document.documentElement.scrollWidth") <= 400
        finally:
            shown.close()
