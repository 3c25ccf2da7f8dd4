"""``config.json``: the kind of a model, its options and vocabularies, and checksums.

::

    {"format_version": 3,
     "kind": "tagger",
     "about": {"task": "ner", "dev_f1": 0.81},
     "pipeline": {"options": {...}, "words": {...}, "labels": {...}},
     "sha256": {"weights.safetensors": "...", "config.json": "..."}}
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from zoo import checks
from zoo.artifact.error import ArtifactError
from zoo.artifact.weights import WEIGHTS
from zoo.pipelines import PIPELINES

CONFIG = "config.json"
FORMAT_VERSION = 3  # 1: without the name of the tokenizer, 2: without checksums
FIELDS = {"format_version": int, "kind": str, "about": dict, "pipeline": dict}
LARGEST = 2**28  # bytes: ten million tokens, and small enough to read before a check
# Entries that may be changed by hand, and the checksums.
UNCHECKED = ("about", "sha256")


def encode(
    kind: str, pipeline: Mapping[str, Any], about: Mapping[str, Any], weights: bytes
) -> bytes:
    """Return the content of the file.

    Args:
        kind: of the pipeline.
        pipeline: as JSON values.
        about: metadata, as JSON values.
        weights: content of the file of weights.

    Raises:
        TypeError: if a value has no form in JSON.
        ValueError: if the content is larger than `LARGEST`.
    """
    config = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "about": dict(about),
        "pipeline": pipeline,
    }
    # Of the values that a reader gets: lists for tuples, strings for keys.
    checksum = _checksum(json.loads(json.dumps(config)))
    config["sha256"] = {WEIGHTS: sha256(weights), CONFIG: checksum}
    text = json.dumps(config, ensure_ascii=False, indent=1)
    # A lone surrogate has no UTF-8, but an escape, the same in Python and in JSON.
    content = text.encode("utf-8", "backslashreplace")
    if len(content) > LARGEST:
        raise ValueError(
            f"the options, vocabularies and about take {len(content):,} bytes in "
            f"{CONFIG}, at most {LARGEST:,} are allowed"
        )
    return content


def read(file: BinaryIO, path: Path) -> bytes:
    """Return the content of the file, unless it is larger than `LARGEST`.

    Args:
        file: open.
        path: of the file, for messages.

    Raises:
        ArtifactError: if it is larger.
    """
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST:
        raise ArtifactError(
            f"{path} has {size:,} bytes, expected at most {LARGEST:,}: it is damaged"
        )
    return file.read(LARGEST)


def decode(content: bytes, path: Path) -> dict[str, Any]:
    """Return the configuration from the content of the file.

    Args:
        content: of the file.
        path: of the file, for messages.

    Raises:
        ArtifactError: if it is damaged, was changed, or is of a newer version.
    """
    try:
        config = json.loads(content.decode("utf-8"))
        version = config["format_version"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} cannot be read: expected JSON with a format_version, got {error!r}"
        ) from error
    if type(version) is not int or version < 1:
        raise ArtifactError(
            f"{path}: format_version must be an int of 1 or more, got {version!r}"
        )
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{path} was written by a newer version of zoo: it has format {version}, "
            f"this version reads up to {FORMAT_VERSION}; upgrade with "
            "pip install --upgrade rnn-zoo"
        )
    has_checksums = version >= 3
    try:
        checks.fields(
            "it", config, FIELDS | ({"sha256": dict} if has_checksums else {})
        )
        checks.one_of("kind", config["kind"], PIPELINES)
        if has_checksums:
            checks.fields("sha256", config["sha256"], {WEIGHTS: str, CONFIG: str})
            if config["sha256"][CONFIG] != _checksum(config):
                raise ValueError(
                    "it does not match its checksum: it is damaged, or an entry other "
                    'than "about" was changed by hand; copy it again, or change the '
                    "model in Python and save that"
                )
    except (ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    return config


def sha256(content: bytes) -> str:
    """Return the SHA-256 of the content of a file, in hexadecimal digits.

    Args:
        content: of the file.
    """
    return hashlib.sha256(content).hexdigest()


def _checksum(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all entries but `UNCHECKED`, without white space."""
    checked = {key: value for key, value in config.items() if key not in UNCHECKED}
    text = json.dumps(checked, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("ascii"))
