"""The page in a real browser, as `zoo serve` serves it."""

from collections.abc import Callable
from typing import Any

from tests.helpers import browser
from tests.helpers.servers import Server

LIMIT = 5_000
TEXT = "Anna saw <b>Oslo</b>,\n  twice."
OUTPUT = "document.getElementById('output')"
Serve = Callable[..., Server]


def check_limit(chromium: browser.Browser, url: str) -> None:
    """Type too long a text; check the message, all requests, and the console."""
    chromium.write("a " * LIMIT)
    chromium.until(f"{browser.PAGE_TEXT}.includes('the limit is 5,000. Shorten it')")
    assert "10,000 characters" in chromium.value(browser.PAGE_TEXT)
    requests = chromium.requests()
    assert len(requests) > 5
    assert {request[: len(url)] for request in requests} == {url}
    assert chromium.console_messages() == []


def test_tags_appear_while_typing(
    chromium: browser.Browser, serve: Serve, models: dict[str, Any]
) -> None:
    (prediction,) = models["tagger"].predict([TEXT], batch_size=1)
    url = serve("tagger").url
    chromium.open(url)
    chromium.write(TEXT)
    chromium.until(f"{OUTPUT}.textContent.includes('twice')")
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
    spans = "[...document.querySelectorAll('.tags > span')]"
    parts = "[s.firstChild.data, s.lastChild.textContent]"
    assert chromium.value(f"{spans}.map(s => {parts})") == expected
    plain = (
        f"(() => {{ const copy = {OUTPUT}.cloneNode(true);"
        "copy.querySelectorAll('small').forEach(s => s.remove());"
        "return copy.textContent })()"
    )
    assert chromium.value(plain) == TEXT
    assert chromium.value("document.title") == "the tagger"
    check_limit(chromium, url)


def test_probabilities_appear_while_typing(
    chromium: browser.Browser, serve: Serve, models: dict[str, Any]
) -> None:
    (prediction,) = models["classifier"].predict([TEXT], batch_size=1)
    url = serve("classifier").url
    chromium.open(url)
    chromium.write(TEXT)
    chromium.until(f"{OUTPUT}.textContent.includes('%')")
    rows = "[...document.querySelectorAll('.bars li')].map(row => row.innerText)"
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    assert [text.split() for text in chromium.value(rows)] == [
        [label, f"{round(100 * p)}%"] for label, p in ranked
    ]
    assert chromium.value("document.querySelector('.best').innerText") == ranked[0][0]
    bars = "[...document.querySelectorAll('.bar')].map(bar => bar.style.cssText)"
    assert [float(text[4:].strip(" ;")) for text in chromium.value(bars)] == [
        p for _, p in ranked
    ]
    check_limit(chromium, url)
    assert chromium.value(f"{OUTPUT}.childElementCount") == 0
    chromium.write(" ")
    chromium.until(f"!{browser.PAGE_TEXT}.includes('Shorten')")
    assert chromium.value(f"{OUTPUT}.childElementCount") == 0


def test_output_and_attention_weights(
    chromium: browser.Browser, serve: Serve, models: dict[str, Any]
) -> None:
    (prediction,) = models["seq2seq"].predict(["a dog"], attention=True, batch_size=1)
    best = prediction.outputs[0]
    url = serve("seq2seq").url
    chromium.open(url)
    chromium.write("a dog")
    chromium.until("document.querySelector('tbody td') !== null")
    assert chromium.value("document.querySelector('.text').textContent") == best.text
    weights = chromium.value(
        "[...document.querySelectorAll('tbody tr')].map(row =>"
        "[...row.cells].slice(1).map(td => +td.style.getPropertyValue('--p')))"
    )
    assert weights == [[round(w, 3) for w in row] for row in best.attention]
    check_limit(chromium, url)
    assert chromium.value("document.querySelector('td')") is None


def test_the_answer_to_a_sequence(
    chromium: browser.Browser, serve: Serve, models: dict[str, Any]
) -> None:
    (reading,) = models["reader"].predict([[0, 2, 1]], batch_size=1)
    chromium.open(serve("reader").url)
    chromium.write("[0, 2, 1]")
    chromium.until("document.querySelector('.best') !== null")
    answer = "JSON.parse(document.querySelector('.best').innerText)"
    assert chromium.value(answer) == reading.answer
    chromium.write("[0, 7]")
    message = "a sequence must be a list of symbols from 0 to 2"
    chromium.until(f"{browser.PAGE_TEXT}.includes('{message}')")


def press(chromium: browser.Browser, name: str) -> None:
    """Press a button, as soon as it is enabled."""
    buttons = "[...document.querySelectorAll('button')]"
    button = f"{buttons}.find(b => b.innerText == '{name}' && !b.disabled)"
    chromium.until(f"{button} !== undefined")
    chromium.value(f"{button}.click() ?? 0")


def test_text_appears_while_it_is_generated(
    chromium: browser.Browser, serve: Serve
) -> None:
    url = serve("language_model").url
    chromium.open(url)
    chromium.write("hello")
    chromium.value(
        "(() => { const field = document.getElementById('length');"
        "field.value = 2000; field.dispatchEvent(new Event('input')); return 0 })()"
    )
    text = "document.querySelector('.generated').textContent"
    press(chromium, "Generate")
    chromium.until(f"{text}.length > 5")
    press(chromium, "Stop")
    chromium.until(f"{browser.PAGE_TEXT}.includes('Stopped.')")
    stopped = chromium.value(text)
    assert stopped.startswith("hello") and len(stopped) < 2_000
    check_limit_of_prompt = f"{text} === ''"
    chromium.write("a " * LIMIT)
    press(chromium, "Generate")
    check_limit(chromium, url)
    assert chromium.value(check_limit_of_prompt)


def test_a_backward_model_writes_before_the_prompt(
    chromium: browser.Browser, serve: Serve
) -> None:
    chromium.open(serve("backward").url)
    chromium.write("hello")
    press(chromium, "Generate")
    chromium.until(f"{browser.PAGE_TEXT}.includes('500 tokens.')")
    text = chromium.value("document.querySelector('.generated').textContent")
    assert text.endswith("hello") and len(text) == 505


def test_the_page_asks_for_the_token(chromium: browser.Browser, serve: Serve) -> None:
    url = serve("classifier", "--token", "a-secret").url
    chromium.open(url)
    for token, message in (
        ("wrong", "This server needs a token."),
        ("a-secret", "This token is wrong."),
    ):
        chromium.until(f"{browser.PAGE_TEXT}.includes('{message}')")
        assert chromium.value("document.getElementById('form').hidden")
        chromium.value("document.querySelector('#token').focus() ?? 0")
        chromium.call("Input.insertText", text=token)
        press(chromium, "Continue")
    chromium.write(TEXT)
    chromium.until("document.querySelector('.best') !== null")
    assert chromium.value("document.querySelector('#token')") is None
