"""Which requests are answered: the host, the origin and the token."""

import re
import secrets
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from zoo.server.errors import error
from zoo.server.hosts import header_name, host_name, is_loopback
from zoo.server.paths import path_of

MAX_HEAD = 2**14  # bytes; h11 has the same limit for a head that arrives in parts


def check_token(token: str | None) -> None:
    """Check that a token can be in a header.

    Args:
        token: None for none.

    Raises:
        ValueError: if it cannot.
    """
    if token is not None and not re.fullmatch("[!-~]+", token):
        raise ValueError(
            "the token must be of printable ASCII characters without spaces"
        )


class Guard:
    """An application that only the intended clients can call.

    A page of another site can make a browser send requests to this machine. Its
    requests have another ``Origin``, or, if its name was rebound to this machine's
    address, another ``Host``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allow_hosts: Collection[str],
        token: str | None,
        public: Collection[str],
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            allow_hosts: names in ``Host`` besides those of the loopback interface.
            token: that requests must have; None for none.
            public: paths that need no token.

        Raises:
            ValueError: if a name or the token cannot be in a header.
        """
        for name in allow_hosts:
            if host_name(header_name(name)) != header_name(name):
                raise ValueError(
                    f"--allow-host must be a name without a port, got {name!r}"
                )
        check_token(token)
        self._app = app
        self._allow_hosts = frozenset(map(header_name, allow_hosts))
        self._token = None if token is None else f"bearer {token}".encode()
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Args:
            scope: as in ASGI.
            receive: as in ASGI.
            send: as in ASGI.
        """
        app: ASGIApp = self._app
        if scope["type"] == "http":
            app = self._refusal(scope) or app
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the response to a request that is refused, otherwise None."""
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(n) + len(value) for n, value in scope["headers"]) > MAX_HEAD:
            return error(
                431, f"the request has more than {MAX_HEAD:,} bytes of headers"
            )
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            # A proxy may take the other one, and see another request in the body.
            return error(
                400,
                "the request must have Transfer-Encoding or Content-Length, not both",
                {"Connection": "close"},
            )
        hosts = headers.getlist("host")
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None:
            return error(400, "the request must have one valid Host header")
        if not is_loopback(name) and name not in self._allow_hosts:
            return error(
                403, f"the host {name[:60]!r} is not allowed; see --allow-host"
            )
        for origin in headers.getlist("origin"):
            scheme, _, authority = origin.lower().partition("://")
            if scheme not in ("http", "https") or authority != hosts[0].lower():
                return error(403, "the page of another site may not call this server")
        if self._token is not None and path_of(scope) not in self._public:
            scheme, _, value = headers.get("authorization", "").partition(" ")
            given = f"{scheme.lower()} {value.strip()}".encode()
            if not secrets.compare_digest(given, self._token):
                return error(
                    401,
                    "this server needs a token: Authorization: Bearer TOKEN",
                    {"WWW-Authenticate": "Bearer"},
                )
        return None
