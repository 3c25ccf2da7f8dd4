"""Changed model folders whose checksums are right."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def sign(folder: Path, config: Any) -> None:
    """Write ``config.json`` with checksums that match it and the weights.

    They are computed by what the documentation says, not by the code of the library.

    Args:
        folder: of the model.
        config: the content; anything but an object is written without checksums.
    """
    if isinstance(config, dict) and isinstance(config.get("sha256"), dict):
        checked = {k: v for k, v in config.items() if k not in ("about", "sha256")}
        text = json.dumps(checked, sort_keys=True, separators=(",", ":"))
        weights = (folder / "weights.safetensors").read_bytes()
        sums = {
            "weights.safetensors": hashlib.sha256(weights).hexdigest(),
            "config.json": hashlib.sha256(text.encode()).hexdigest(),
        }
        config = config | {"sha256": sums}
    (folder / "config.json").write_text(json.dumps(config))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change ``config.json``, with checksums that match.

    Args:
        folder: of the model.
        edit: changes the configuration in place.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    edit(config)
    sign(folder, config)
