"""Damaged and hostile model folders.

Each trial changes the folder of a small model. If its checksums are not forged, the
changed model must load and predict exactly as the original, or not load. If they are,
it may predict anything. In both cases, all errors are those of the library, and nothing
is executed, imported, or written.
"""

import contextlib
import json
import os
import select
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import IO, Any

import numpy as np
import safetensors.numpy

import zoo
from tests.helpers.artifacts import sign
from tests.helpers.pipelines import pipelines, reader
from tests.helpers.training import ROOT
from tests.torture.trial import Trial
from zoo.layers.options import LoopOptions, argument_names

WEIGHTS, CONFIG, CARD = "weights.safetensors", "config.json", "README.md"
# Seconds until a trial counts as hanging. What takes long is found by its CPU time, see
# `artifact_worker`: on a busy machine a trial can wait for minutes.
LIMIT = 300.0
DEEP = "@deep@"
ODD: list[Any] = [None, True, False, 0, -1, 1, 2, 3, 65, 10**6, 10**9, 2**31, 2**63]
ODD += [-(2**63), 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a", "0"]
ODD += ["os:system", "antigravity:fly", "zoo:load", "this:d", "lstm", "lmu", "s5"]
ODD += ["rhn", "mogrifier_lstm", "/etc/passwd", "../..", "\0", "\ud800", "\x1b[2J\n"]
ODD += ["x" * 10_000, DEEP, [], [1], ["a", "a"], [[]], {}, {"a": 1}, {"": {"": {}}}]
ODD += ["bfloat16", "int8", "concat", "native", "words-9", "bpe", list(range(1000))]
DTYPES = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F4", "I64", "I32", "U8", "BOOL"]
DTYPES += ["C64", "", "O", "x"]


class Worker:
    """The process that loads the folders; it is replaced if it hangs or dies."""

    def __init__(self, folder: Path, originals: dict[str, Path]) -> None:
        """Start the process.

        Args:
            folder: for its files.
            originals: the folder of each original.
        """
        self.folder, self.originals = folder, originals
        self.start()

    def start(self) -> None:
        """Start a process, and let it load the originals."""
        command = [sys.executable, "-m", "tests.torture.artifact_worker"]
        self.process = subprocess.Popen(
            [*command, str(self.folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for name, path in self.originals.items():
            outcome, failure = self.ask(path, name, forged=False)
            assert (outcome, failure) == ("loaded", None), (name, outcome, failure)

    def ask(self, path: Path, original: str, *, forged: bool) -> tuple[str, str | None]:
        """Return the outcome of loading a folder, and the failure or None."""
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None and answers is not None
        request = {"path": str(path), "original": original, "forged": forged}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=requests, flush=True)
        line = _line(answers, LIMIT)
        if line:
            outcome, failure = json.loads(line)
            return outcome, failure
        failure = f"no answer in {LIMIT:.0f} s"
        if line == "":
            failure = f"the process died with status {self.process.wait()}"
        self.close()
        self.start()
        return "none", failure

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def _line(stream: IO[str], limit: float) -> str | None:
    """Return the next line, "" at the end, None after a time limit in seconds."""
    ready, _, _ = select.select([stream], [], [], limit)
    return stream.readline() if ready else None


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield attempts to load changed folders.

    Args:
        seed: of the changes.
        folder: an empty folder.
    """
    originals: dict[str, Path] = {}
    models = [*pipelines(), reader(), reader(dtype="bfloat16", param_dtype="bfloat16")]
    for model in models:
        name = f"{model.kind}-{len(originals)}"
        originals[name] = folder / "originals" / name
        zoo.save(originals[name], model, about={"task": "test", "scores": [0.5, None]})
    worker = Worker(folder / "cache", originals)
    try:
        number = 0
        while True:
            rng = Random(f"{seed}-{number}")
            original = rng.choice([*originals])
            path = folder / "trial" / "model"
            shutil.rmtree(path.parent, ignore_errors=True)
            shutil.copytree(originals[original], path)
            others = [other for name, other in originals.items() if name != original]
            change = rng.choice(CHANGES)
            name = change(rng, path, rng.choice(others))
            forged = rng.random() < 0.5 and _forge(path)
            forged = forged or _has_no_checksums(path)
            outcome, failure = worker.ask(path, original, forged=forged)
            checksums = "forged" if forged else "original"
            yield Trial(f"{original}, {name}, checksums {checksums}", outcome, failure)
            number += 1
    finally:
        worker.close()


def _configuration(path: Path) -> Any:
    """Return the content of ``config.json``; None if it is no small JSON file."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        status = (path / CONFIG).lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size < 2**28:
            return json.loads((path / CONFIG).read_bytes())
    return None


def _forge(path: Path) -> bool:
    """Make the checksums match the files; return whether that is possible."""
    config = _configuration(path)
    weights = (path / WEIGHTS).lstat() if os.path.lexists(path / WEIGHTS) else None
    if not isinstance(config, dict) or not weights or not stat.S_ISREG(weights.st_mode):
        return False
    with contextlib.suppress(RecursionError):
        sign(path, config)
        return True
    return False


def _has_no_checksums(path: Path) -> bool:
    """Return whether the folder looks as if an older version had written it."""
    config = _configuration(path)
    return isinstance(config, dict) and "sha256" not in config


def _bytes(rng: Random, path: Path, other: Path) -> str:
    """Change bytes of a file."""
    file = path / rng.choice([WEIGHTS, CONFIG, CONFIG, CARD])
    content = bytearray(file.read_bytes())
    at = rng.randrange(len(content))
    how = rng.choice(
        ["flip", "flip", "flip", "cut", "zero", "insert", "delete", "repeat"]
    )
    size = rng.choice([1, 4, 100])
    if how == "flip":
        content[at] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del content[at:]
    elif how == "zero":
        content[at : at + size] = bytes(len(content[at : at + size]))
    elif how == "insert":
        content[at:at] = rng.randbytes(size)
    elif how == "delete":
        del content[at : at + size]
    else:
        content[at:at] = content[at : at + size]
    file.write_bytes(content)
    return f"{how} {file.name} at {at}, {size}"


def _nodes(value: Any, place: tuple = ()) -> Iterator[tuple]:
    """Yield the paths of all values inside a JSON value."""
    children = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield (*place, key)
        yield from _nodes(child, (*place, key))


def _json(rng: Random, path: Path, other: Path) -> str:
    """Change a value of the configuration."""
    config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    nodes = [*_nodes(config)]
    short = [node for node in nodes if isinstance(node[-1], str)]
    place = rng.choice(rng.choice([nodes, short, short]))
    parent = config
    for key in place[:-1]:
        parent = parent[key]
    key = place[-1]
    how = rng.choice(["set", "set", "set", "set", "delete", "add", "near", "copy"])
    new: Any = None
    if how == "set":
        new = parent[key] = rng.choice(ODD)
    elif how == "near" and isinstance(parent[key], int | float):
        new = parent[key] = parent[key] + rng.choice([-1, 1, parent[key], 0.5])
    elif how == "near" and isinstance(parent[key], str | list):
        new = parent[key] = parent[key][rng.choice([1, 2]) :]
    elif how == "delete":
        del parent[key]
    elif how == "add" and isinstance(parent, dict):
        new = rng.choice(
            ["depth", "rounds", "order", "zoneout", "periods", "b_init", ""]
        )
        parent[new] = rng.choice(ODD)
    elif how == "add":
        parent.insert(key, rng.choice(ODD))
    else:
        source = rng.choice(nodes)
        value = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        for step in source:
            value = value[step]
        parent[key] = value
    if rng.random() < 0.2:  # as by an older version, which has no checksums
        config["format_version"] = rng.choice([1, 2])
        config.pop("sha256", None)
    text = json.dumps(config)
    deep = rng.choice(["[" * 900 + "]" * 900, "[" * 100_000, '{"a":' * 100_000])
    text = text.replace(f'"{DEEP}"', deep)
    (path / CONFIG).write_text(text)
    return f"{how} {'.'.join(map(str, place))} {new!r}"[:120]


def _several(rng: Random, path: Path, other: Path) -> str:
    """Change several values of the configuration."""
    names = []
    with contextlib.suppress(RecursionError, ValueError):  # no JSON after the first
        for _ in range(rng.choice([2, 3, 10])):
            names.append(_json(rng, path, other))
    return "; ".join(names)


def _cell(rng: Random, path: Path, other: Path) -> str:
    """Name another cell, with an odd option."""
    config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    cell = rng.choice([*zoo.cells()])
    name = rng.choice(
        [*argument_names(zoo.cells()[cell]), *LoopOptions.__annotations__]
    )
    value = rng.choice([x for x in ODD if x != DEEP])
    config["pipeline"]["options"] |= {"cell": cell, name: value}
    (path / CONFIG).write_text(json.dumps(config))
    return f"{cell} {name} {value!r}"[:120]


def _format(rng: Random, path: Path, other: Path) -> str:
    """Write the same configuration in another form, or another ``about``."""
    text = (path / CONFIG).read_text(encoding="utf-8")
    config = json.loads(text)
    how = rng.choice(["sort", "compact", "about", "twice", "space", "mark"])
    if how == "about":
        config["about"] = {"task": rng.choice([x for x in ODD if x != DEEP])}
    if how == "twice":
        key = rng.choice([*config])
        text = text[:-1] + f",{json.dumps(key)}: {json.dumps(rng.choice(ODD[:20]))}}}"
    else:
        indent = None if how == "compact" else 2
        text = json.dumps(config, sort_keys=how == "sort", indent=indent)
    if how == "space":
        text = " \n\t" * 1000 + text
    if how == "mark":
        text = "\ufeff" + text
    (path / CONFIG).write_text(text, encoding="utf-8")
    return how


def _header(rng: Random, path: Path, other: Path) -> str:
    """Change the header of the weights."""
    content = (path / WEIGHTS).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    tensor = rng.choice([name for name in header if name != "__metadata__"])
    entry = header[tensor]
    how = rng.choice(
        ["dtype", "shape", "offsets", "name", "meta", "twice", "odd", "size"]
    )
    if how == "dtype":
        entry["dtype"] = rng.choice(DTYPES)
    elif how == "shape":
        shapes = [entry["shape"][::-1], [*entry["shape"], 1], [], [0], [-1], [2**62, 4]]
        entry["shape"] = rng.choice(shapes)
    elif how == "offsets":
        begin, end = entry["data_offsets"]
        offsets = [[begin + 4, end + 4], [end, begin], [begin, end + 4], [0, 2**63], []]
        entry["data_offsets"] = rng.choice(offsets)
    elif how == "name":
        header[rng.choice(["x", "", "../x", "\x1b[2J\n", "params/a"])] = header.pop(
            tensor
        )
    elif how == "meta":
        header["__metadata__"] = rng.choice([{}, {"a": "b"}, {"a": 1}, [], "x" * 999])
    elif how == "odd":
        entry[rng.choice([*entry])] = rng.choice([x for x in ODD if x != DEEP])
    text = json.dumps(header)
    if how == "twice":
        text = text[:-1] + f", {json.dumps(tensor)}: {json.dumps(entry)}}}"
    encoded = text.encode()
    length = len(encoded)
    if how == "size":
        length = rng.choice([0, length - 1, length + 1, 2**31, 2**63, 2**64 - 1])
    (path / WEIGHTS).write_bytes(length.to_bytes(8, "little") + encoded + data)
    return f"header {how} of {tensor}"


def _arrays(rng: Random, path: Path, other: Path) -> str:
    """Change arrays."""
    arrays = safetensors.numpy.load_file(path / WEIGHTS)
    name = rng.choice([*arrays])
    array = arrays[name]
    how = rng.choice(
        ["nan", "inf", "huge", "drop", "add", "wide", "flat", "cast", "turn"]
    )
    if how in ("nan", "inf", "huge"):
        value = {"nan": np.nan, "inf": -np.inf, "huge": 3e38}[how]
        arrays[name] = array = array.copy()
        array.reshape(-1)[rng.randrange(array.size)] = value
    elif how == "drop":
        del arrays[name]
    elif how == "add":
        arrays[rng.choice(["params/x", "constants/x", "x"])] = array
    elif how == "wide":
        arrays[name] = np.concatenate([array, array], axis=-1)
    elif how == "flat":
        arrays[name] = array.reshape(-1)
    elif how == "cast":
        arrays[name] = array.astype(
            rng.choice(["f8", "f2", "i4", "i8", "?", "u1", "c8"])
        )
    else:
        arrays[name] = np.ascontiguousarray(array.T)
    safetensors.numpy.save_file(arrays, path / WEIGHTS)
    return f"{how} {name}"


def _files(rng: Random, path: Path, other: Path) -> str:
    """Exchange or remove files, or put something else in their place."""
    name = rng.choice([WEIGHTS, CONFIG, CARD])
    file = path / name
    how = rng.choice(
        ["other", "remove", "folder", "fifo", "socket", "device", "outside", "same"]
        + ["loop", "nowhere", "empty", "exchange", "large"]
    )
    source = file.rename(path.parent / "moved")
    links = {
        "device": "/dev/zero",
        "outside": "/etc/passwd",
        "same": str(source),
        "loop": name,
        "nowhere": "nowhere",
    }
    if how in links:
        file.symlink_to(links[how])
    elif how == "other":
        shutil.copy(other / name, file)
    elif how == "folder":
        file.mkdir()
    elif how == "fifo":
        os.mkfifo(file)
    elif how == "socket":
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(os.path.relpath(file))
    elif how == "empty":
        file.touch()
    elif how == "large":
        with file.open("wb") as stream:
            stream.truncate(2**40 if name == CONFIG else 2**28)
    elif how == "exchange":
        source.rename(file)
        (path / WEIGHTS).rename(source)
        (path / CONFIG).rename(path / WEIGHTS)
        source.rename(path / CONFIG)
    return f"{how} {name}"


Change = Callable[[Random, Path, Path], str]
"""Changes a folder, given another model's; returns what it changed."""
CHANGES: list[Change] = [_bytes, _bytes, _json, _json, _json, _several, _cell]
CHANGES += [_format, _header, _header, _arrays, _files]
