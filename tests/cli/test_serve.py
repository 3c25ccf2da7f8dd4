"""The page of a trained model in a real browser, as `python -m zoo serve` shows it."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

import zoo
from tests.helpers import browser
from tests.helpers.training import ROOT, command, environment
from tests.models.test_models import pipelines
from zoo.pipelines import ReaderPipeline, Seq2SeqPipeline, TaggerPipeline

LIMIT = 5_000
TEXT = "Anna saw <b>Oslo</b>,\n  twice."
# Run first in the program that serves: what it asks of another machine is told.
ALONE = """
import signal
import sys

# A shell that runs the tests behind it has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def hook(event, args):
    if event == "socket.connect" and args[1][0] not in ("127.0.0.1", "localhost"):
        sys.stderr.write(f"reached out: {args[1]}\\n")
    if event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", "localhost"):
        sys.stderr.write(f"reached out: {args[0]}\\n")

sys.addaudithook(hook)
"""
# As a person may have it set: the page must not go through it.
PROXY = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
LAST = "[...document.querySelectorAll('textarea')].at(-1).value"


# What is told where there is no page to show.
WRONG = """
import sys
from zoo.__main__ import main

def told(*args):
    sys.argv = ["zoo", "serve", *args]
    try:
        main()
    except SystemExit as end:
        print(end.code)

reader, model, port = sys.argv[1:]
told(reader)
told(model, "--port", port)
told(model, "--port", "70000")
told(model + "/nowhere")
del sys.modules["zoo.cli.web_page"]
sys.modules["gradio"] = None
told(model)
"""


@pytest.fixture(scope="module")
def models():
    """An untrained model of each kind."""
    found: dict = {pipeline.kind: pipeline for pipeline in pipelines()}
    tagger, writer = found["tagger"], found["seq2seq"]
    # With these seeds some words have the tag O and others not; something is written.
    found["tagger"] = TaggerPipeline(
        tagger.options, tagger.words, tagger.labels, seed=0
    )
    found["seq2seq"] = Seq2SeqPipeline(
        writer.options, writer.source, writer.target, writer.max_length, seed=2
    )
    return found


@pytest.fixture(scope="module")
def served(models, tmp_path_factory):
    """The address of the page of each; at the end, all go quietly."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "sitecustomize.py").write_text(ALONE)
    env = environment(tmp_path_factory, PYTHONPATH=f"{folder}:{ROOT}", **PROXY)
    processes = {}
    for kind, model in models.items():
        zoo.save(folder / kind, model, about={"task": f"the {kind}"})
        processes[kind] = subprocess.Popen(
            command("zoo", "serve", folder / kind),
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        lines = {kind: process.stdout.readline() for kind, process in processes.items()}
        yield {kind: line.split(" ")[0] for kind, line in lines.items()}
        for process in processes.values():
            process.send_signal(signal.SIGINT)
        for kind, process in processes.items():
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out, err) == (0, "\n", ""), kind
    finally:
        for process in processes.values():
            process.kill()


def ask(url, name, *data):
    """Return what the page answers a program."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = json.dumps({"data": data}).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/gradio_api/call/{name}", body, head)
    number = json.load(opener.open(request))["event_id"]
    answer = opener.open(f"{url}/gradio_api/call/{name}/{number}").read().decode()
    event, data = answer.strip().split("\n\n")[-1].split("\n")
    assert event == "event: complete", answer
    return json.loads(data.removeprefix("data: "))


def refused(chromium, url):
    """Type more than is read, and then nothing; return what is seen both times."""
    chromium.write("a " * LIMIT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('the limit is 5,000. Shorten it')")
    assert "10,000 characters" in chromium.value(browser.PAGE_TEXT)
    # No request but to the page itself, and nothing to complain of.
    fetched = [one for one in chromium.requests() if not one.startswith("data:")]
    assert len(fetched) > 5
    assert {one[: len(url)] for one in fetched} == {url}
    assert chromium.console_messages() == []


def test_tags_as_one_types(chromium, served, models):
    (found,) = models["tagger"].predict([TEXT])
    chromium.open(served["tagger"])
    chromium.write(TEXT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('twice')")
    shown = [
        [word, f"{tag} {p:.2f}"]
        for word, tag, p in zip(
            found.tokens, found.tags, found.probabilities, strict=True
        )
        if tag != "O"
    ]
    assert 0 < len(shown) < len(found.tokens)
    marked = "[...document.querySelectorAll('.html-container span')]"
    parts = "[s.firstChild.data, s.lastChild.innerText]"
    assert chromium.value(f"{marked}.map(s => {parts})") == shown
    refused(chromium, served["tagger"])


def test_probabilities_as_one_types(chromium, served, models):
    (found,) = models["classifier"].predict([TEXT])
    chromium.open(served["classifier"])
    chromium.write(TEXT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('%')")
    for label, p in found.probabilities.items():
        assert f"{label}\n{round(100 * p)}%" in chromium.value(browser.PAGE_TEXT)
    refused(chromium, served["classifier"])
    assert "%" not in chromium.value(browser.PAGE_TEXT)
    chromium.write(" ")
    chromium.until(f"!{browser.PAGE_TEXT}.includes('Shorten')")
    assert "%" not in chromium.value(browser.PAGE_TEXT)


def test_writes_and_shows_where_it_looked(chromium, served, models):
    (found,) = models["seq2seq"].predict(["a dog"], attention=True)
    best = found.outputs[0]
    chromium.open(served["seq2seq"])
    chromium.write("a dog")
    chromium.until("document.querySelector('td') !== null")
    assert chromium.value(LAST) == best.text
    weights = chromium.value(
        "[...document.querySelectorAll('tbody tr')].map(row =>"
        "[...row.cells].slice(1).map(td => +td.style.getPropertyValue('--p')))"
    )
    assert weights == [[round(w, 3) for w in row] for row in best.attention]
    refused(chromium, served["seq2seq"])
    assert chromium.value("document.querySelector('td')") is None


def press(chromium, name):
    """Press a button, once it is there."""
    buttons = "[...document.querySelectorAll('button')]"
    button = f"{buttons}.find(b => b.innerText == '{name}')"
    chromium.until(f"{button} !== undefined")
    chromium.value(f"{button}.click() ?? 0")


def test_text_appears_as_it_is_written(chromium, served, models):
    url = served["language_model"]
    chromium.open(url)
    chromium.write("hello")
    chromium.until("document.querySelectorAll('input[type=number]').length == 2")
    chromium.value(
        "(() => { const field = document.querySelectorAll('input[type=number]')[1];"
        "field.value = 2000; field.dispatchEvent(new Event('input')); return 0 })()"
    )
    press(chromium, "Generate")
    chromium.until(f"{LAST}.length > 5")
    press(chromium, "Stop")
    # One is written at a time: this one would wait for the other, were it not stopped.
    greedy = "".join(models["language_model"].generate("he", 7, temperature=0.0))
    assert ask(url, "generate", "he", 0.0, 7) == ["", "he" + greedy]
    stopped = chromium.value(LAST)
    assert stopped.startswith("hello") and len(stopped) < 2_000
    chromium.write("a " * LIMIT)
    press(chromium, "Generate")
    refused(chromium, url)


def test_programs_are_refused_as_people_are(served):
    told = "10,000 characters, the limit is 5,000"
    for kind in ("classifier", "tagger", "seq2seq"):
        note, *nothing = ask(served[kind], "predict", "a " * LIMIT)
        assert told in note and not any(nothing)
        assert not any(ask(served[kind], "predict", " \n"))
        assert not any(ask(served[kind], "predict", None))
    note, text = ask(served["language_model"], "generate", "a " * LIMIT, 0.8, 7)
    assert told in note and text == ""


def test_what_has_no_page_is_told(served, models, tmp_path, tmp_path_factory):
    sizes = {"input_size": 3, "output_size": 1, "hidden_size": 2}
    zoo.save(tmp_path / "reader", ReaderPipeline(sizes, symbols=3))
    zoo.save(tmp_path / "model", models["classifier"])
    port = served["classifier"].split(":")[-1]
    args = ["-c", WRONG, tmp_path / "reader", tmp_path / "model", port]
    found = subprocess.run(
        [sys.executable, *map(str, args)],
        env=environment(tmp_path_factory),
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == ["1"] * 5, found.stderr
    lines = found.stderr.splitlines()
    assert len(lines) == 5
    assert "there is no page for a reader" in lines[0]
    assert f"cannot listen on port {port} of 127.0.0.1" in lines[1]
    assert "Address already in use" in lines[1]
    assert "choose another one with --port, or 0 for a free port" in lines[1]
    assert "port must be 0-65535" in lines[2]
    assert "no model in" in lines[3]
    assert lines[4] == "error: a page needs gradio: pip install 'rnn-zoo[serve]'"
