"""The web page of a model in a real browser, as `python -m zoo serve` serves it."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import zoo
from tests.helpers import browser
from tests.helpers.pipelines import pipelines
from tests.helpers.training import ROOT, command, environment
from tests.helpers.typed import present
from zoo.pipelines import ReaderPipeline, Seq2SeqPipeline, TaggerPipeline

LIMIT = 5_000
TEXT = "Anna saw <b>Oslo</b>,\n  twice."
# Runs first in the server: it reports connections to other machines on stderr.
NETWORK_GUARD = """
import signal
import sys

# A shell that starts the tests in the background makes them ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)

def hook(event, args):
    if event == "socket.connect" and args[1][0] not in ("127.0.0.1", "localhost"):
        sys.stderr.write(f"connected to {args[1]}\\n")
    if event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", "localhost"):
        sys.stderr.write(f"resolved {args[0]}\\n")

sys.addaudithook(hook)
"""
# A user may have a proxy set: the page must not use it.
PROXY = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
LAST_TEXT = "[...document.querySelectorAll('textarea')].at(-1).value"


# Commands that fail with a message.
FAILING_COMMANDS = """
import sys
from zoo.__main__ import main

def serve(*args):
    sys.argv = ["zoo", "serve", *args]
    try:
        main()
    except SystemExit as end:
        print(end.code)

reader, model, port = sys.argv[1:]
serve(reader)
serve(model, "--port", port)
serve(model, "--port", "70000")
serve(model + "/nowhere")
del sys.modules["zoo.cli.web_page"]
sys.modules["gradio"] = None
serve(model)
"""


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """An untrained pipeline of each kind."""
    models = {pipeline.kind: pipeline for pipeline in pipelines()}
    tagger, seq2seq = models["tagger"], models["seq2seq"]
    # With these seeds some words have the tag O and some not, and the output of the
    # seq2seq model is not empty.
    models["tagger"] = TaggerPipeline(
        tagger.options, tagger.words, tagger.labels, seed=0
    )
    models["seq2seq"] = Seq2SeqPipeline(
        seq2seq.options, seq2seq.source, seq2seq.target, seq2seq.max_length, seed=2
    )
    return models


@pytest.fixture(scope="module")
def served(
    models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The URL of the page of each model; at the end, all servers exit silently."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "sitecustomize.py").write_text(NETWORK_GUARD)
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
        lines = {
            kind: present(process.stdout).readline()
            for kind, process in processes.items()
        }
        yield {kind: line.split(" ")[0] for kind, line in lines.items()}
        for process in processes.values():
            process.send_signal(signal.SIGINT)
        for kind, process in processes.items():
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out, err) == (0, "\n", ""), kind
    finally:
        for process in processes.values():
            process.kill()


def call_api(url: str, name: str, *data: Any) -> list[Any]:
    """Return the outputs of a function of the page, called through its HTTP API."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = json.dumps({"data": data}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/gradio_api/call/{name}", body, headers)
    event_id = json.load(opener.open(request))["event_id"]
    response = opener.open(f"{url}/gradio_api/call/{name}/{event_id}").read().decode()
    event, outputs = response.strip().split("\n\n")[-1].split("\n")
    assert event == "event: complete", response
    return json.loads(outputs.removeprefix("data: "))


def check_limit(chromium: browser.Browser, url: str) -> None:
    """Type too long a text; check the message, all requests, and the console."""
    chromium.write("a " * LIMIT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('the limit is 5,000. Shorten it')")
    assert "10,000 characters" in chromium.value(browser.PAGE_TEXT)
    requests = [r for r in chromium.requests() if not r.startswith("data:")]
    assert len(requests) > 5
    assert {request[: len(url)] for request in requests} == {url}
    assert chromium.console_messages() == []


def test_tags_appear_while_typing(chromium, served, models):
    (prediction,) = models["tagger"].predict([TEXT])
    chromium.open(served["tagger"])
    chromium.write(TEXT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('twice')")
    expected = [
        [word, f"{tag} {p:.2f}"]
        for word, tag, p in zip(
            prediction.tokens,
            prediction.tags,
            prediction.probabilities,
            strict=True,
        )
        if tag != "O"
    ]
    assert 0 < len(expected) < len(prediction.tokens)
    spans = "[...document.querySelectorAll('.html-container span')]"
    parts = "[s.firstChild.data, s.lastChild.innerText]"
    assert chromium.value(f"{spans}.map(s => {parts})") == expected
    check_limit(chromium, served["tagger"])


def test_probabilities_appear_while_typing(chromium, served, models):
    (prediction,) = models["classifier"].predict([TEXT])
    chromium.open(served["classifier"])
    chromium.write(TEXT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('%')")
    for label, p in prediction.probabilities.items():
        assert f"{label}\n{round(100 * p)}%" in chromium.value(browser.PAGE_TEXT)
    check_limit(chromium, served["classifier"])
    assert "%" not in chromium.value(browser.PAGE_TEXT)
    chromium.write(" ")
    chromium.until(f"!{browser.PAGE_TEXT}.includes('Shorten')")
    assert "%" not in chromium.value(browser.PAGE_TEXT)


def test_output_and_attention_weights(chromium, served, models):
    (prediction,) = models["seq2seq"].predict(["a dog"], attention=True)
    best = prediction.outputs[0]
    chromium.open(served["seq2seq"])
    chromium.write("a dog")
    chromium.until("document.querySelector('td') !== null")
    assert chromium.value(LAST_TEXT) == best.text
    weights = chromium.value(
        "[...document.querySelectorAll('tbody tr')].map(row =>"
        "[...row.cells].slice(1).map(td => +td.style.getPropertyValue('--p')))"
    )
    assert weights == [[round(w, 3) for w in row] for row in best.attention]
    check_limit(chromium, served["seq2seq"])
    assert chromium.value("document.querySelector('td')") is None


def press(chromium: browser.Browser, name: str) -> None:
    """Press a button, as soon as it exists."""
    buttons = "[...document.querySelectorAll('button')]"
    button = f"{buttons}.find(b => b.innerText == '{name}')"
    chromium.until(f"{button} !== undefined")
    chromium.value(f"{button}.click() ?? 0")


def test_text_appears_while_it_is_generated(chromium, served, models):
    url = served["language_model"]
    chromium.open(url)
    chromium.write("hello")
    chromium.until("document.querySelectorAll('input[type=number]').length == 2")
    chromium.value(
        "(() => { const field = document.querySelectorAll('input[type=number]')[1];"
        "field.value = 2000; field.dispatchEvent(new Event('input')); return 0 })()"
    )
    press(chromium, "Generate")
    chromium.until(f"{LAST_TEXT}.length > 5")
    press(chromium, "Stop")
    # The server generates one text at a time: this call would wait for the other.
    greedy = "".join(models["language_model"].generate("he", 7, temperature=0.0))
    assert call_api(url, "generate", "he", 0.0, 7) == ["", "he" + greedy]
    stopped = chromium.value(LAST_TEXT)
    assert stopped.startswith("hello") and len(stopped) < 2_000
    chromium.write("a " * LIMIT)
    press(chromium, "Generate")
    check_limit(chromium, url)


def test_the_limit_applies_to_the_api(served):
    message = "10,000 characters, the limit is 5,000"
    for kind in ("classifier", "tagger", "seq2seq"):
        note, *outputs = call_api(served[kind], "predict", "a " * LIMIT)
        assert message in note and not any(outputs)
        assert not any(call_api(served[kind], "predict", " \n"))
        assert not any(call_api(served[kind], "predict", None))
    note, text = call_api(served["language_model"], "generate", "a " * LIMIT, 0.8, 7)
    assert message in note and text == ""


def test_errors_of_the_command(served, models, tmp_path, tmp_path_factory):
    sizes = {"input_size": 3, "output_size": 1, "hidden_size": 2}
    zoo.save(tmp_path / "reader", ReaderPipeline(sizes, symbols=3))
    zoo.save(tmp_path / "model", models["classifier"])
    port = served["classifier"].split(":")[-1]
    args = ["-c", FAILING_COMMANDS, tmp_path / "reader", tmp_path / "model", port]
    process = subprocess.run(
        [sys.executable, *map(str, args)],
        env=environment(tmp_path_factory),
        capture_output=True,
        text=True,
    )
    assert process.stdout.split() == ["1"] * 5, process.stderr
    lines = process.stderr.splitlines()
    assert len(lines) == 5
    assert "there is no page for a reader" in lines[0]
    assert f"cannot listen on port {port} of 127.0.0.1" in lines[1]
    assert "Address already in use" in lines[1]
    assert "choose another one with --port, or 0 for a free port" in lines[1]
    assert "port must be 0-65535" in lines[2]
    assert "no model in" in lines[3]
    assert lines[4] == "error: a page needs gradio: pip install 'rnn-zoo[serve]'"
