"""A web page to try a trained model on, made with Gradio; it needs no network.

``python -m zoo serve RUN`` serves it. ``page(zoo.load(RUN))`` returns it as Gradio
blocks, for use in other programs.
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

MAX_CHARACTERS = 5_000  # of an input text
MAX_GENERATED = 2_000  # tokens
MAX_ATTENTION = 60  # tokens on each axis of the attention table
UPDATE_SECONDS = 0.05  # between updates of a text during generation

# Translucent colours suit a light and a dark background.
TAGS_CSS = """
div { white-space: pre-wrap; overflow-wrap: anywhere; }
span { display: inline-block; vertical-align: top; text-align: center; max-width: 100%;
       margin: 0 .1rem .3rem; padding: .1rem .3rem; border-radius: .25rem;
       background: hsl(var(--hue) 75% 50% / calc(.05 + .4 * var(--p))); }
small { display: block; font-size: .7rem; }
"""
ATTENTION_CSS = """
div { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { min-width: 1rem; height: 1.3rem; padding: 0 .2rem;
         border: 1px solid var(--border-color-primary); }
th { font-weight: 400; white-space: pre; }
td { background: rgb(38 120 199 / var(--p)); }
"""


def page(model: Pipeline, title: str = "") -> gr.Blocks:
    """Return a web page for a model.

    A classifier, a tagger and a sequence-to-sequence model answer while the user types;
    a language model generates until it is stopped. Texts longer than `MAX_CHARACTERS`
    are refused, on the page and through its API.

    Args:
        model: from `zoo.load`.
        title: by default the kind of the model.

    Raises:
        ValueError: if there is no page for this kind of model.
    """
    kinds: dict[str, Callable[[Any], None]] = {
        "classifier": _classifier,
        "tagger": _tagger,
        "seq2seq": _seq2seq,
        "language_model": _language_model,
    }
    if model.kind not in kinds:
        raise ValueError(
            f"there is no page for a {model.kind}, only for {', '.join(kinds)}: use "
            "python -m zoo predict"
        )
    title = title or model.kind.replace("_", " ")
    with gr.Blocks(title=title, analytics_enabled=False) as blocks:
        gr.Markdown(f"# {title}")
        kinds[model.kind](model)
    return blocks


def serve(model: Pipeline, host: str, port: int, title: str = "") -> None:
    """Serve the page of a model until Ctrl-C.

    Args:
        model: as for `page`.
        host: the address to listen on; ``"127.0.0.1"`` for this machine only.
        port: the port; 0 for a free one.
        title: as for `page`.

    Raises:
        OSError: if the port is in use, or the address does not belong to this machine.
        ValueError: as for `page`.
    """
    blocks = page(model, title)
    try:
        with socket.create_server((host, port)) as probe:
            port = probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise OSError(
            f"cannot listen on port {port} of {host} ({error}): choose another one "
            "with --port, or 0 for a free port"
        ) from error
    # Gradio checks that its server is up: that request must not use a proxy.
    os.environ["no_proxy"] = "*"
    blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        # Only the page: none of Gradio's extras.
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
        print()  # the thread of the server ends with the process


def _refusal(text: str) -> str:
    """Return why a text is refused; empty if it is accepted."""
    if len(text) <= MAX_CHARACTERS:
        return ""
    return (
        f"**Too long**: this text has {len(text):,} characters, the limit is "
        f"{MAX_CHARACTERS:,}. Shorten it, or use `python -m zoo`, which has no limit."
    )


def _answers(
    text: gr.Textbox, answer: Callable[[str], list[Any]], *outputs: Any
) -> None:
    """Update the outputs while the user types, or show why a text is refused."""
    note = gr.Markdown()
    empty = [None] * len(outputs)

    def react(text: str | None) -> list[Any]:
        text = text or ""  # null through the API
        refused = _refusal(text)
        return [refused, *(empty if refused or not text.strip() else answer(text))]

    # Of the changes during an answer, only the last one is answered.
    text.change(
        react,
        text,
        [note, *outputs],
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
    """Show the words with their tags and probabilities."""
    text = gr.Textbox(label="text", lines=4)
    marked = gr.HTML(css_template=TAGS_CSS)
    kinds = list(dict.fromkeys(map(_kind, model.labels.tokens)))
    # Multiples of the golden angle keep many colours distinct.
    hues = {kind: round(137.5 * k) % 360 for k, kind in enumerate(kinds)}

    def answer(text: str) -> list[Any]:
        (tagging,) = model.predict([text], batch_size=1)
        return [_marked(text, tagging, hues)]

    _answers(text, answer, marked)


def _kind(tag: str) -> str:
    """Return the type of a tag, without its BIO2 prefix."""
    return tag.removeprefix("B-").removeprefix("I-")


def _marked(text: str, tagging: Tagging, hues: dict[str, int]) -> str:
    """Return a text as HTML with the tags other than O below the words."""
    parts, end = [], 0
    for token, tag, p in zip(
        tagging.tokens, tagging.tags, tagging.probabilities, strict=True
    ):
        start = text.index(token, end)
        parts.append(escape(text[end:start]))
        end = start + len(token)
        html = escape(token)
        if tag != "O":
            html = (
                f'<span style="--hue: {hues[_kind(tag)]}; --p: {p:.2f}">{html}'
                f"<small>{escape(tag)} {p:.2f}</small></span>"
            )
        parts.append(html)
    return f"<div>{''.join(parts)}{escape(text[end:])}</div>"


def _seq2seq(model: Any) -> None:
    """Show the output and the attention weights."""
    source = gr.Textbox(label="source", lines=2)
    target = gr.Textbox(label="target", lines=2)
    table = gr.HTML(css_template=ATTENTION_CSS)
    attention = model.options.get("attention", "additive") is not None

    def answer(text: str) -> list[Any]:
        (writing,) = model.predict([text], attention=attention, batch_size=1)
        weights = _attention_table(writing) if attention else None
        return [writing.outputs[0].text, weights]

    _answers(source, answer, target, table)


def _attention_table(writing: Writing) -> str:
    """Return the attention weights as an HTML table, a row per output token."""
    best = writing.outputs[0]
    if not 0 < len(best.tokens) <= MAX_ATTENTION >= len(writing.source):
        return ""
    head = "".join(f"<th>{escape(token)}</th>" for token in writing.source)
    rows = "".join(
        f"<tr><th>{escape(token)}</th>"
        + "".join(f'<td style="--p: {weight:.3f}"></td>' for weight in weights)
        for token, weights in zip(best.tokens, best.attention or [], strict=True)
    )
    return (
        "<div><table><caption>Attention weights: a row per output token</caption>"
        f"<thead><tr><th></th>{head}</thead>{rows}</table></div>"
    )


def _language_model(model: Any) -> None:
    """Generate from a prompt, until the length is reached or the user stops it."""
    prompt = gr.Textbox(label="prompt", lines=4)
    temperature = gr.Slider(0.0, 2.0, value=0.8, step=0.05, label="temperature")
    length = gr.Slider(1, MAX_GENERATED, value=500, step=1, label="length")
    with gr.Row():
        start = gr.Button("Generate", variant="primary")
        stop = gr.Button("Stop")
    note = gr.Markdown()
    output = gr.Textbox(label="text", lines=12)

    def generate(
        prompt: str | None, temperature: float, length: int
    ) -> Iterator[list[str]]:
        prompt = prompt or ""
        if refused := _refusal(prompt):
            yield [refused, ""]
            return
        text, last_update = prompt, 0.0
        seed = secrets.randbelow(2**31)
        for piece in model.generate(prompt, length, temperature=temperature, seed=seed):
            text += piece
            if time.monotonic() - last_update > UPDATE_SECONDS:
                yield ["", text]
                last_update = time.monotonic()
        yield ["", text]

    running = start.click(
        generate, [prompt, temperature, length], [note, output], api_name="generate"
    )
    stop.click(None, cancels=running)
