"""A page to try a trained model on, made with Gradio; nothing comes from elsewhere.

``python -m zoo serve RUN`` shows it, and ``page(zoo.load(RUN))`` is a part for others.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from zoo.pipelines import Pipeline, Tagging, Writing

try:
    import gradio as gr
    from gradio.themes import Default
except ImportError as error:
    raise ImportError("a page needs gradio: pip install 'rnn-zoo[serve]'") from error

MOST_CHARACTERS = 5_000  # of a text that is read
MOST_WRITTEN = 2_000  # tokens
MOST_LOOKS = 60  # tokens along a side of the picture of attention
PAUSE = 0.05  # seconds from one sight of a text that is being written to the next

# Colours are laid on thinly, over a light ground or a dark one.
TAGS = """
div { white-space: pre-wrap; overflow-wrap: anywhere; }
span { display: inline-block; vertical-align: top; text-align: center; max-width: 100%;
       margin: 0 .1rem .3rem; padding: .1rem .3rem; border-radius: .25rem;
       background: hsl(var(--hue) 75% 50% / calc(.05 + .4 * var(--p))); }
small { display: block; font-size: .7rem; }
"""
LOOKS = """
div { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { min-width: 1rem; height: 1.3rem; padding: 0 .2rem;
         border: 1px solid var(--border-color-primary); }
th { font-weight: 400; white-space: pre; }
td { background: rgb(38 120 199 / var(--p)); }
"""


def page(model: Pipeline, title: str = "") -> gr.Blocks:
    """Return a page to type into, made for the kind of a model.

    A classifier, a tagger and a model of sequence to sequence answer as one types, a
    language model writes on until it is stopped. A text of more than `MOST_CHARACTERS`
    is refused, on the page and where the page is asked by a program: no model reads it.

    Args:
        model: as `zoo.load` returns it.
        title: by default the kind of the model.

    Raises:
        ValueError: if a model of this kind reads nothing that a person types.
    """
    kinds: dict[str, Callable[[Any], None]] = {
        "classifier": _classifier,
        "tagger": _tagger,
        "seq2seq": _seq2seq,
        "language_model": _language_model,
    }
    if model.kind not in kinds:
        raise ValueError(
            f"there is no page for a {model.kind}, only for a model of the kind "
            f"{', '.join(kinds)}: use python -m zoo predict"
        )
    title = title or model.kind.replace("_", " ")
    with gr.Blocks(title=title, analytics_enabled=False) as made:
        gr.Markdown(f"# {title}")
        kinds[model.kind](model)
    return made


def serve(model: Pipeline, host: str, port: int, title: str = "") -> None:
    """Show the page of a model until Ctrl-C.

    Args:
        model: as for `page`.
        host: the address that is listened on: ``"127.0.0.1"`` is this machine's alone.
        port: its port; 0 means a free one.
        title: as for `page`.

    Raises:
        OSError: if the port is in use, or the address is none of this machine.
        ValueError: as for `page`.
    """
    shown = page(model, title)
    try:
        with socket.create_server((host, port)) as found:
            port = found.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise OSError(
            f"port {port} of {host} cannot be listened on ({error}): choose another "
            "with --port, or 0 for a free one"
        ) from error
    # Gradio asks its server whether it is up: that must not go through a proxy.
    os.environ["no_proxy"] = "*"
    shown.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        # Only the page itself: none of what Gradio adds to one.
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=Default(
            primary_hue="blue",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ),
    )
    print(f"http://{host}:{port} (Ctrl-C ends it)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()  # the server's thread ends with the program


def _refusal(text: str) -> str:
    """Return why a text is not read; empty if it is."""
    if len(text) <= MOST_CHARACTERS:
        return ""
    return (
        f"**Too long**: this text has {len(text):,} characters, {MOST_CHARACTERS:,} "
        "are the most. Shorten it, or use `python -m zoo`, which knows no limit."
    )


def _answers(text: gr.Textbox, answer: Callable[[str], list[Any]], *shown: Any) -> None:
    """Show what is answered as a person types, or why nothing is."""
    note = gr.Markdown()
    nothing = [None] * len(shown)

    def react(text: str | None) -> list[Any]:
        text = text or ""  # a program may send null
        refused = _refusal(text)
        return [refused, *(nothing if refused or not text.strip() else answer(text))]

    # Of what is typed during an answer, the last is answered next.
    text.change(
        react,
        text,
        [note, *shown],
        trigger_mode="always_last",
        show_progress="hidden",
        api_name="predict",
    )


def _classifier(model: Any) -> None:
    """Show the probabilities of the labels."""
    text = gr.Textbox(label="text", lines=4)
    label = gr.Label(label="probability", num_top_classes=10)
    _answers(
        text, lambda text: [model.predict([text], batch_size=1)[0].probabilities], label
    )


def _tagger(model: Any) -> None:
    """Show the words with their tags and the probability of each."""
    text = gr.Textbox(label="text", lines=4)
    marked = gr.HTML(css_template=TAGS)
    kinds = list(dict.fromkeys(map(_kind, model.labels.tokens)))
    # The golden angle keeps the colours of many apart.
    hues = {kind: round(137.5 * k) % 360 for k, kind in enumerate(kinds)}

    def answer(text: str) -> list[Any]:
        (found,) = model.predict([text], batch_size=1)
        return [_marked(text, found, hues)]

    _answers(text, answer, marked)


def _kind(tag: str) -> str:
    """Return what a tag tells, wherever in a name it stands."""
    return tag.removeprefix("B-").removeprefix("I-")


def _marked(text: str, found: Tagging, hues: dict[str, int]) -> str:
    """Return a text whose words have tags below them, but for the tag O."""
    parts, at = [], 0
    for token, tag, p in zip(
        found.tokens, found.tags, found.probabilities, strict=True
    ):
        start = text.index(token, at)
        parts.append(escape(text[at:start]))
        at = start + len(token)
        shown = escape(token)
        if tag != "O":
            shown = (
                f'<span style="--hue: {hues[_kind(tag)]}; --p: {p:.2f}">{shown}'
                f"<small>{escape(tag)} {p:.2f}</small></span>"
            )
        parts.append(shown)
    return f"<div>{''.join(parts)}{escape(text[at:])}</div>"


def _seq2seq(model: Any) -> None:
    """Show what is written, and where the decoder looked."""
    source = gr.Textbox(label="source", lines=2)
    target = gr.Textbox(label="target", lines=2)
    looks = gr.HTML(css_template=LOOKS)
    attention = model.options.get("attention", "additive") is not None

    def answer(text: str) -> list[Any]:
        (found,) = model.predict([text], attention=attention, batch_size=1)
        return [found.outputs[0].text, _looks(found) if attention else None]

    _answers(source, answer, target, looks)


def _looks(found: Writing) -> str:
    """Return the weights of attention as a table: a row a token written."""
    best = found.outputs[0]
    if not 0 < len(best.tokens) <= MOST_LOOKS >= len(found.source):
        return ""
    head = "".join(f"<th>{escape(token)}</th>" for token in found.source)
    rows = "".join(
        f"<tr><th>{escape(token)}</th>"
        + "".join(f'<td style="--p: {weight:.3f}"></td>' for weight in weights)
        for token, weights in zip(best.tokens, best.attention or [], strict=True)
    )
    return (
        "<div><table><caption>Where it looked: a row a token written</caption>"
        f"<thead><tr><th></th>{head}</thead>{rows}</table></div>"
    )


def _language_model(model: Any) -> None:
    """Write on from a prompt, until it is enough or stopped."""
    prompt = gr.Textbox(label="prompt", lines=4)
    temperature = gr.Slider(0.0, 2.0, value=0.8, step=0.05, label="temperature")
    length = gr.Slider(1, MOST_WRITTEN, value=500, step=1, label="length")
    with gr.Row():
        write = gr.Button("Write", variant="primary")
        stop = gr.Button("Stop")
    note = gr.Markdown()
    output = gr.Textbox(label="text", lines=12)

    def go_on(
        prompt: str | None, temperature: float, length: int
    ) -> Iterator[list[str]]:
        prompt = prompt or ""
        if refused := _refusal(prompt):
            yield [refused, ""]
            return
        text, seen = prompt, 0.0
        seed = secrets.randbelow(2**31)
        for piece in model.generate(prompt, length, temperature=temperature, seed=seed):
            text += piece
            if time.monotonic() - seen > PAUSE:
                yield ["", text]
                seen = time.monotonic()
        yield ["", text]

    writing = write.click(
        go_on, [prompt, temperature, length], [note, output], api_name="generate"
    )
    stop.click(None, cancels=writing)
