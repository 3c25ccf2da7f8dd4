"""The JSON API of real servers, with a real client."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.json_schema import is_valid, resolve
from tests.helpers.servers import Server

Serve = Callable[..., Server]
TEXTS = ["", " ", "the cat sat", "Anna saw <b>Oslo</b>,\n  twice.", "\0é\U0001f600" * 9]


@pytest.fixture(scope="module")
def classifier(serve: Serve) -> Iterator[httpx.Client]:
    """A client of the server of the classifier."""
    url = serve("classifier").url
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def writer(serve: Serve) -> Iterator[httpx.Client]:
    """A client of the server of the language model."""
    url = serve("language_model").url
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


def record(model: Any, text: str) -> dict[str, Any]:
    """Return the expected answer for a text."""
    (result,) = model.predict([text], batch_size=1)
    return {"text": text, **dataclasses.asdict(result)}


def events(response: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Return the server-sent events of a response, checked."""
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    parts = response.text.split("\n\n")
    assert parts.pop() == ""
    pairs = [part.split("\ndata: ") for part in parts]
    return [(name.removeprefix("event: "), json.loads(data)) for name, data in pairs]


def test_predictions_are_those_of_the_model(
    classifier: httpx.Client, models: dict[str, Any]
) -> None:
    expected = [record(models["classifier"], text) for text in TEXTS]
    for text, one in zip(TEXTS, expected, strict=True):
        response = classifier.post("/predict", json={"text": text})
        assert (response.status_code, response.json()) == (200, one)
    several = classifier.post("/predict", json={"texts": TEXTS})
    assert several.json() == {"results": expected}
    assert classifier.post("/predict", json={"texts": []}).json() == {"results": []}


def test_generated_text_is_that_of_the_model(
    writer: httpx.Client, models: dict[str, Any]
) -> None:
    for body in (
        {"prompt": "he", "length": 7, "temperature": 0.0, "seed": 3},
        {"prompt": "he", "length": 30, "temperature": 1.5, "top_k": 3, "seed": 4},
        {"length": 5, "top_p": 0.5, "seed": 2**32 - 1},
    ):
        options = {"temperature": 0.8, **body}
        pieces = list(models["language_model"].generate(**options))
        *tokens, end = events(writer.post("/generate", json=body))
        assert tokens == [("token", {"text": piece}) for piece in pieces]
        count, seed = body["length"], body["seed"]
        assert end == ("end", {"reason": "length", "tokens": count, "seed": seed})
    seeds = [
        events(writer.post("/generate", json={"length": 1}))[-1][1]["seed"]
        for _ in range(2)
    ]
    assert seeds[0] != seeds[1]


def test_a_backward_model_sends_its_tokens_from_right_to_left(
    serve: Serve, models: dict[str, Any]
) -> None:
    body = {"prompt": "lo", "length": 9, "temperature": 0.8, "seed": 3}
    pieces = list(models["backward"].generate(**body))
    assert pieces == list(models["language_model"].generate(**{**body, "prompt": "ol"}))
    url = serve("backward").url
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        assert client.get("/model").json()["backward"] is True
        *tokens, _ = events(client.post("/generate", json=body))
    assert tokens == [("token", {"text": piece}) for piece in pieces]


INVALID = [
    ({"text": 3}, "text: input should be a valid string"),
    ({"text": None}, "text: input should be a valid string"),
    ({}, "the body: expected either text or texts"),
    ({"text": "a", "texts": []}, "the body: expected either text or texts"),
    ({"texts": "a"}, "texts: input should be a valid array"),
    ({"texts": ["a", 1]}, "texts[1]: input should be a valid string"),
    ({"texts": ["a"] * 33}, "texts: list should have at most 32 items after"),
    ({"text": "a", "batch_size": 4}, "batch_size: there is no such field, only text, "),
    ([], "the body: input should be an object"),
    (
        {"text": "a", **{f"x{k}": k for k in range(10_000)}},  # more than 64 KiB
        "x0: there is no such field, only text, texts",
    ),
    (
        {"texts": ["", "a" * 5001]},
        "texts[1]: this text has 5,001 characters, the limit is 5,000. Shorten it, or "
        "use the command zoo, which has no limit",
    ),
]
INVALID_OPTIONS = [
    ({"length": 0}, "length: input should be greater than or equal to 1"),
    ({"length": 2001}, "length: input should be less than or equal to 2000"),
    ({"length": True}, "length: input should be a valid integer"),
    ({"length": 5.0}, "length: input should be a valid integer"),
    ({"temperature": -0.1}, "temperature: input should be greater than"),
    ({"temperature": "1"}, "temperature: input should be a valid number"),
    ({"top_p": 0}, "top_p: input should be greater than 0"),
    ({"top_k": 0}, "top_k: input should be greater than or equal to 1"),
    ({"seed": -1}, "seed: input should be greater than or equal to 0"),
    ({"prompt": "a" * 5001}, "prompt: this text has 5,001 characters"),
]


def check_error(response: httpx.Response, status: int, message: str) -> None:
    """Check the status and the message of an error, which is one line."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    assert response.json()["error"].startswith(message), response.text
    assert "\n" not in response.json()["error"]


def test_invalid_bodies(classifier: httpx.Client, writer: httpx.Client) -> None:
    for body, message in INVALID:
        check_error(classifier.post("/predict", json=body), 422, message)
    for body, message in INVALID_OPTIONS:
        check_error(writer.post("/generate", json=body), 422, message)
    nan = b'{"temperature": NaN}'
    headers = {"Content-Type": "application/json"}
    response = writer.post("/generate", content=nan, headers=headers)
    check_error(response, 422, "temperature: input should be a finite number")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"text": "\\ud800"}',
        b'{"text": "\xff"}',
        b'\xef\xbb\xbf{"text": "a"}',
        '{"text": "a"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"text": "a"} {"text": "b"}',
    ],
)
def test_bodies_that_are_not_json(classifier: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": 'application/json; v=1; charset="UTF-8"; v=2'}
    response = classifier.post("/predict", content=body, headers=headers)
    check_error(response, 400, "the body must be JSON: ")


def test_other_media_types(classifier: httpx.Client) -> None:
    for headers in (
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; v=1; charset=latin-1"},
    ):
        response = classifier.post(
            "/predict", content=b'{"text": "a"}', headers=headers
        )
        check_error(response, 415, "the body must be JSON in UTF-8")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = classifier.post("/predict", content=b"{}", headers=headers)
    check_error(response, 415, "the body must not be compressed")


def test_unknown_endpoints_and_methods(
    classifier: httpx.Client, writer: httpx.Client
) -> None:
    for path in (
        *("/nowhere", "/predict/", "/a//", "/%2e%2e/etc/passwd", "/%2e%2e/config.json"),
        *("/config.json", "/weights.safetensors", "/%00", "/%ff%0a", "/generate"),
        *("/__init__.py", "/page/index.html", "/" + "a" * 5000),
    ):
        check_error(classifier.get(path), 404, "there is no '/")
    check_error(writer.post("/predict", json={"text": "a"}), 404, "there is no")
    for method, path, allowed in (
        ("GET", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/model", "GET, HEAD"),
        ("BREW", "/healthz", "GET, HEAD"),
    ):
        response = classifier.request(method, path)
        check_error(response, 405, f"{method} is not allowed here, only {allowed}")
        assert response.headers["allow"] == allowed
    assert classifier.head("/").content == b""


def test_answers_have_the_schemas_of_the_description(
    serve: Serve, classifier: httpx.Client, writer: httpx.Client
) -> None:
    document = classifier.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for body in ({"text": "a cat"}, {"texts": ["a cat", ""]}):
                sent = body if method == "post" else None
                response = classifier.request(method, path, json=sent)
                media_type = response.headers["content-type"].split(";")[0]
                content = operation["responses"]["200"]["content"][media_type]
                if media_type == "application/json":
                    value = response.json()
                    assert is_valid(value, content["schema"], document), path
    paths = writer.get("/openapi.json").json()["paths"]
    assert set(document["paths"]) - set(paths) == {"/predict"}
    assert set(paths) - set(document["paths"]) == {"/generate"}
    check_error(classifier.post("/predict", json=[]), 422, "the body")


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 40),
        st.floats(-1.5, 1.5),
        st.text(st.characters(codec="utf-8"), max_size=3),
    ),
    lambda values: st.lists(values, max_size=3),
    max_leaves=4,
)
FIELDS = ["prompt", "length", "temperature", "top_k", "top_p", "seed", "text"]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_a_body_is_accepted_if_it_has_the_schema(
    writer: httpx.Client, body: dict[str, Any]
) -> None:
    document = writer.get("/openapi.json").json()
    schema = resolve("#/components/schemas/GenerateRequest", document)
    body = {"length": 1, **body}
    response = writer.post("/generate", json=body)
    expected = 200 if is_valid(body, schema, document) else 422
    assert response.status_code == expected, (body, response.text)


def test_metrics(classifier: httpx.Client, writer: httpx.Client) -> None:
    def metrics(client: httpx.Client) -> dict[str, float]:
        text = client.get("/metrics").text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        pairs = [line.rpartition(" ") for line in lines]
        return {name: float(value) for name, _, value in pairs}

    ok = 'zoo_requests_total{endpoint="/predict",status="200"}'
    bad = 'zoo_requests_total{endpoint="/predict",status="422"}'
    other = 'zoo_requests_total{endpoint="other",status="404"}'
    count = 'zoo_request_seconds_count{endpoint="/predict"}'
    classifier.post("/predict", json={"text": "a"})
    classifier.post("/predict", json={})
    classifier.get("/secret-path")
    before = metrics(classifier)
    classifier.post("/predict", json={"text": "a"})
    classifier.post("/predict", json={})
    classifier.get("/another-path")
    after = metrics(classifier)
    difference = {name: after[name] - before[name] for name in (ok, bad, other, count)}
    assert difference == {ok: 1, bad: 1, other: 1, count: 2}
    assert after["zoo_queue_length"] == 0
    assert not [name for name in after if "path" in name]
    tokens = metrics(writer)["zoo_tokens_total"]
    writer.post("/generate", json={"length": 9})
    assert metrics(writer)["zoo_tokens_total"] == tokens + 9
