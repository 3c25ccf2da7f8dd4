"""The lab: its command, its page in a browser, and the sentences of the page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.helpers import browser, processes
from tests.helpers.training import environment
from zoo.tasks.cli.lab import Lab
from zoo.tasks.data.memory_problems import Problem
from zoo.tasks.lab import page, sections
from zoo.tasks.lab.comparison import lengths, names
from zoo.tasks.lab.results import CellResult, InitialGradients, half_life
from zoo.tasks.run import gradient_decay


def result(
    name: str, loss: float, before: Any, after: Any, **attributes: Any
) -> CellResult:
    """Return the measurements of an imaginary cell."""
    history = [{"epoch": k + 1, "dev_mse": v} for k, v in enumerate((0.17, loss))]
    scores = {"mse": loss, "accuracy": 1.0 if loss < 0.01 else 0.1}
    optional = {"gates": {}, "saturation": {}, "by_length": {5: scores, 10: scores}}
    return CellResult(
        name=name,
        parameters=100,
        history=history,
        test=scores,
        minutes=1.0,
        before=np.array(before),
        after=np.array(after),
        **{**optional, **attributes},
    )


def test_sentences_follow_from_the_numbers(tmp_path: Path) -> None:
    gates = {"f": np.full((1, 10, 2), 0.5)}
    gates["f"][..., 1] = 0.5 ** (1 / 8)  # a half-life of eight steps
    saturation = {"f": zoo.diagnostics.saturation(gates["f"])}
    vanishing = 0.1 ** np.arange(10.0)
    cells = [
        result("rnn", 0.166, vanishing, vanishing),
        result("gru", 0.1, np.ones(10), 10 ** np.arange(10.0)),
        result(
            *("lstm", 0.001, np.full(10, 0.25), np.ones(10)),
            gates=gates,
            saturation=saturation,
        ),
    ]
    initial = [InitialGradients("torch", 0.1, {"rnn": vanishing}, True)]
    path = tmp_path / "lab.html"
    make: Any = None
    problem = Problem(make, lambda T: 1 / 6, "mse", 1, 0, 2, {})
    page.write(path, Lab(length=5), cells, initial, problem)
    text = path.read_text()
    for sentence in (
        "rnn: does not remember. gru: remembers partly. lstm: remembers.",
        "rnn does not beat the memoryless loss. gru beats the memoryless loss from "
        "epoch 2.",
        "lstm: accuracy 100% at the training length of 5 steps, 100% at 10 steps.",
        "vanishes: below 0.001 from lag 4",
        "explodes: above 1000 from lag 4",
        "persists: 0.25 at lag 9",
        "rnn has no gates. gru has no gates. The forget gate of lstm with the longest "
        "memory halves the state in 8 steps.",
        "torch initialisation, inputs × 0.1 (the trained cells)",
    ):
        assert sentence in text, sentence


def test_numbers_and_lists_in_sentences() -> None:
    numbers = [gradient_decay.format_number(v) for v in (0.0, 0.25, 3e-12, 123456.0)]
    assert numbers == ["0", "0.25", "3·10^-12", "1·10^5"]
    assert sections.enumeration(["a"]) == "a"
    assert sections.enumeration(["a", "b", "c"]) == "a, b and c"
    assert half_life(np.ones(3)) == float("inf")


def test_lengths_and_names() -> None:
    assert lengths(Lab(length=100)) == [25, 50, 100, 200]
    assert lengths(Lab(length=3)) == [2, 3, 6]
    assert lengths(Lab(problem="digits")) == []
    assert names(Lab(cells="rnn, lru")) == ["rnn", "lru"]
    with pytest.raises(ValueError, match="each cell once, got 'rnn,rnn'"):
        names(Lab(cells="rnn,rnn"))
    with pytest.raises(ValueError, match="no cell 'lsmt'; did you mean 'lstm'"):
        names(Lab(cells="lsmt"))


def test_the_command_writes_a_page(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = environment(tmp_path_factory)
    flags = ["--cells", "gru", "--problem", "delay", "--length", "2", "--epochs", "1"]
    flags += ["--hidden-size", "4", "--limit-train", "64", "--out", tmp_path / "lab"]
    process = processes.start("zoo", "lab", *flags, env=env)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    path = tmp_path / "lab" / "lab.html"
    assert f"lab: {path}" in stdout
    chromium = browser.find()
    if chromium:
        tab = browser.Browser(chromium)
        try:
            tab.emulate(width=400)
            tab.open(path)
            assert not tab.console_messages()
            own = (path.absolute().as_uri(), "data:")
            assert all(url.startswith(own) for url in tab.requests())
            num_charts = tab.value("document.querySelectorAll('svg').length")
            assert num_charts == 4 + 1 + 8  # curves, gates, initialisations
            assert tab.value("document.documentElement.scrollWidth") <= 400
        finally:
            tab.close()
