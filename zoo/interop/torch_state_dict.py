"""The entries of a PyTorch state dict, and the kind of module they belong to."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from zoo import checks
from zoo.interop.arrays import array
from zoo.interop.torch_cells import NAMES

GATES = {name.lower(): len(cell.gates) for cell, name in NAMES.items()}
MERGE = (
    "with torch.nn.utils.remove_weight_norm(module, name), "
    "torch.nn.utils.parametrize.remove_parametrizations(module, name) or "
    "torch.nn.utils.prune.remove(module, name)"
)
_NAME = re.compile(
    r"(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(_l\d+(?:_reverse)?)?"
)
_FIRST = re.compile(
    r"(.*?)(?:parametrizations\.)?weight_ih(?:_l0)?(?:_g|\.original0?)?"
)
# Names of the parts of a weight that a parametrisation computes.
REPARAMETRISED = re.compile(
    r"(weight|bias)_(ih|hh|hr)\w*_[gv]$|(^|\.)parametrizations\.|_orig$"
)


def selection(names: Iterable[str]) -> str:
    """Return the clause of a message that says how to select a part of a model.

    Args:
        names: of the entries of a state dict.
    """
    matches = [_FIRST.fullmatch(name) for name in names]
    prefixes = dict.fromkeys(match[1] for match in matches if match)
    if not prefixes:
        return "; it has no weights of recurrent modules"
    listed = " or ".join(f"prefix={prefix!r}" for prefix in prefixes if prefix)
    return (
        f"; of a larger model, pass the model's state_dict() and {listed or 'prefix='}"
    )


def detect_kind(arrays: Mapping[str, np.ndarray], kind: str | None) -> str:
    """Return the kind of module, from the shapes of its arrays.

    Args:
        arrays: of one layer and direction, by name.
        kind: the expected kind, or None.

    Raises:
        ValueError: if the shapes are those of another kind, or of none.
    """
    if kind is not None:
        checks.one_of("kind", kind, GATES)
    rows, columns = arrays["weight_ih"].shape[0], arrays["weight_hh"].shape[1]
    if "weight_hr" in arrays:
        # Only an LSTM has a projection, and weight_hh reads the projected state.
        detected = "lstm" if rows % GATES["lstm"] == 0 else None
    else:
        by_rows = {gates * columns: name for name, gates in GATES.items()}
        detected = by_rows.get(rows)
    if detected is None and kind is not None and rows % GATES[kind] == 0:
        return kind  # a single shape is wrong, and the check of the shapes names it
    if detected is None or kind not in (None, detected):
        shapes = {name: a.shape for name, a in arrays.items() if a.ndim > 1}
        have = "no kind" if detected is None else f"kind {detected!r}"
        given = "" if kind is None else f", and kind is {kind!r}"
        raise ValueError(
            f"the shapes {shapes} are those of {have}{given}; expected weight_ih "
            "[G*H, D] and weight_hh [G*H, H] with G = 1 (rnn), 4 (lstm), 3 (gru)"
        )
    return detected


def parse(source: Mapping[str, Any], prefix: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays by suffix, then by name; a cell has an empty suffix.

    Args:
        source: a state dict.
        prefix: of the names to read.

    Raises:
        ValueError: if an entry is missing, unknown, or not a matrix.
    """
    entries: dict[str, dict[str, np.ndarray]] = {}
    for full, value in source.items():
        if not full.startswith(prefix):
            continue
        match = _NAME.fullmatch(full.removeprefix(prefix))
        if match is None:
            raise ValueError(_why_unknown(source, full, prefix))
        entries.setdefault(match[2] or "", {})[match[1]] = array(value)
    if not entries:
        raise ValueError(
            f"the state dict has no entry that starts with {prefix!r}"
            f"{selection(source)}"
        )
    for suffix, arrays in entries.items():
        for needed in ("weight_ih", "weight_hh"):
            if needed not in arrays:
                raise ValueError(f"{prefix}{needed}{suffix} is missing")
            if arrays[needed].ndim != 2:
                raise ValueError(
                    f"{prefix}{needed}{suffix} must be a matrix, got shape "
                    f"{arrays[needed].shape}"
                )
    if all(suffix.endswith("_reverse") for suffix in entries):
        raise ValueError(
            f"{prefix}weight_ih_l0 is missing: the state dict has layers in reverse "
            f"only, {sorted(entries)}"
        )
    return dict(sorted(entries.items()))


def _why_unknown(source: Mapping[str, Any], name: str, prefix: str) -> str:
    """Return the message for an entry that is no weight of a recurrent module."""
    nested = [key for key, v in source.items() if isinstance(v, Mapping)]
    nested += [key for key, v in source.items() if hasattr(v, "state_dict")]
    if nested:
        entries = " or ".join(f"source[{key!r}]" for key in nested)
        return f"source is no state dict but a checkpoint: pass {entries}"
    if REPARAMETRISED.search(name):
        return (
            f"{name!r} is a part of a weight, as weight norm stores it: first merge "
            f"the parts, {MERGE}"
        )
    if "_all_weight_values" in name or "_packed_params" in name:
        return (
            f"{name!r} holds the packed integers of a quantised module: convert the "
            "state dict of the float module that was quantised"
        )
    return (
        f"unknown entry {name!r} in the state dict: expected names such as "
        f"{prefix}weight_ih_l0{selection(source)}"
    )
