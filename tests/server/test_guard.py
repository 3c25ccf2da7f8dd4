"""Hosts, origins, tokens and headers."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from zoo.server import App
from zoo.server.headers import HEADERS
from zoo.server.hosts import host_name, is_loopback


@pytest.fixture(scope="module")
def open_app(models: dict[str, Any]) -> App:
    """An application without a token."""
    return App(models["classifier"], allow_hosts=["Zoo.example", "fd00:0::1"])


@pytest.fixture(scope="module")
def closed_app(models: dict[str, Any]) -> App:
    """An application with a token."""
    return App(models["classifier"], token="s3cret:/+=")


def send(app: ASGIApp, path: str, **headers: str) -> httpx.Response:
    """Return the response to a request with these headers."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        encoded = [(name.encode(), headers[name].encode("latin-1")) for name in headers]
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get("http://127.0.0.1" + path, headers=encoded)

    return asyncio.run(get())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("127.8.9.1", 200),
        ("[::1]:80", 200),
        ("[0:0:0:0:0:0:0:1]", 200),
        ("zoo.example:99", 200),
        ("[fd00::1]", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("zoo.example.evil", 403),
        ("sub.zoo.example", 403),
        ("128.0.0.1", 403),
        ("0.0.0.0", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::2]", 403),
        ("localhost.", 403),
        ("", 400),
        ("localhost:x", 400),
        ("user@localhost", 400),
        ("localhost/evil", 400),
        ("::1", 400),
        ("localhost, evil.example", 400),
    ],
)
def test_hosts(open_app: App, host: str, status: int) -> None:
    response = send(open_app, "/healthz", Host=host)
    assert response.status_code == status, response.text
    if status != 200:
        assert list(response.json()) == ["error"]


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:80", "http://localhost:80", 200),
        ("localhost:80", "HTTP://LOCALHOST:80", 200),
        ("zoo.example", "https://zoo.example", 200),
        ("localhost:80", "http://localhost:81", 403),
        ("localhost:80", "http://127.0.0.1:80", 403),
        ("localhost:80", "http://evil.example", 403),
        ("localhost:80", "null", 403),
        ("localhost:80", "", 403),
        ("localhost:80", "file://localhost:80", 403),
    ],
)
def test_origins(open_app: App, host: str, origin: str, status: int) -> None:
    response = send(open_app, "/healthz", Host=host, Origin=origin)
    assert response.status_code == status
    assert not [name for name in response.headers if "access-control" in name]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer s3cret:/+=", 200),
        ("bearer  s3cret:/+= ", 200),
        ("", 401),
        ("Bearer", 401),
        ("Bearer s3cret:/+", 401),
        ("Bearer s3cret:/+==", 401),
        ("Basic s3cret:/+=", 401),
        ("s3cret:/+=", 401),
        ("Bearer \xe9", 401),
    ],
)
def test_tokens(closed_app: App, authorization: str, status: int) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for path in ("/model", "/metrics", "/openapi.json"):
        response = send(closed_app, path, **headers)
        assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"].startswith("this server needs a token")
        assert send(closed_app, "/predict", **headers).status_code == 401
        assert send(closed_app, "/nowhere", **headers).status_code == 401
        for path in ("/", "/main.js", "/page.css", "/healthz"):
            assert send(closed_app, path, **headers).status_code == 200


def test_every_response_has_the_headers(open_app: App) -> None:
    for path in ("/", "/main.js", "/healthz", "/nowhere", "/predict", "/metrics"):
        headers = dict(send(open_app, path).headers)
        expected = dict(HEADERS)
        if path in ("/", "/main.js"):
            expected["cache-control"] = "no-cache"
        assert expected.items() <= headers.items()
        assert "server" not in headers
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy


def test_it_can_be_mounted_in_another_application(closed_app: App) -> None:
    app = Starlette(routes=[Mount("/model", closed_app)])
    assert send(app, "/model/").status_code == 200
    assert send(app, "/model/healthz").status_code == 200
    assert send(app, "/model/model").status_code == 401
    headers = {"Authorization": "Bearer s3cret:/+="}
    assert send(app, "/model/model", **headers).json()["kind"] == "classifier"
    metrics = send(app, "/model/metrics", **headers).text
    assert 'zoo_requests_total{endpoint="/model",status="401"}' in metrics


def test_the_description_names_the_token(open_app: App, closed_app: App) -> None:
    document = send(open_app, "/openapi.json").json()
    assert "securitySchemes" not in document["components"]
    headers = {"Authorization": "Bearer s3cret:/+="}
    document = send(closed_app, "/openapi.json", **headers).json()
    open_paths = [
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if "security" not in operation
    ]
    assert open_paths == ["/healthz", "/"]


@pytest.mark.parametrize("name", ["a b", "a:80", "", "a/b", "é"])
def test_invalid_names(models: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match="--allow-host must be a name without a port"):
        App(models["classifier"], allow_hosts=[name])


def test_names_of_this_machine() -> None:
    names = ["localhost", "127.0.0.1", "127.255.0.9", "::1", "[::1]"]
    assert all(map(is_loopback, names))
    assert not any(map(is_loopback, ["", "0.0.0.0", "::", "localhost.x", "10.0.0.1"]))
    assert host_name("[0::1]:80") == host_name("[::1]") == "[::1]"
