"""The path of a request below the one at which the application is mounted."""

from starlette.types import Scope


def path_of(scope: Scope) -> str:
    """Return the path of a request, such as ``/predict``.

    Args:
        scope: as in ASGI; ``root_path`` is where another application mounts this one.
    """
    return scope["path"].removeprefix(scope.get("root_path", ""))
