"""The content of ``config.json``: flags, versions and devices of a run."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from zoo.engine import native
from zoo.tasks.run import contents
from zoo.tasks.run.errors import RunError, note

# Flags that a resumed run may change: they do not change what is computed.
CHANGEABLE = {"out", "resume", "overwrite", "force", "debug"}
CHANGEABLE |= {"checkpoint_seconds", "keep_checkpoints", "compile_cache"}
CHANGEABLE |= {"mesh", "shard_optimizer", "coordinator", "processes", "process"}
CHANGEABLE |= {"distributed", "heartbeat_seconds"}
# Those of files that may have been moved: digests tell whether they are the same.
PATHS = {"vectors", "init", "features"}
PACKAGES = ("rnn-zoo", "rnn-zoo-native", "rnn-zoo-native-cuda")
PACKAGES += ("jax", "jaxlib", "flax", "optax", "numpy", "datasets")
# What the last bits of the results depend on.
CONDITIONS = ("versions", "devices", "cores", "kernels")


def describe(
    task: str, flags: dict[str, Any], digests: Mapping[str, str]
) -> dict[str, Any]:
    """Return the content of ``config.json``.

    Args:
        task: name of the task.
        flags: from `to_json`.
        digests: see `zoo.tasks.base.Task`.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "task": task,
        "flags": flags,
        "digests": dict(digests),
        "versions": versions,
        "devices": [str(device) for device in jax.devices()],
        "cores": _num_cores(),
        "kernels": _kernels(),
        "command": shlex.join(command()),
    }


def shared(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be the same in all processes that train together.

    Args:
        description: from `describe`.
    """
    flags = {
        f"--{name.replace('_', '-')}": value
        for name, value in description["flags"].items()
        if name not in CHANGEABLE or name in ("mesh", "shard_optimizer", "resume")
    }
    versions = {f"the version of {k}": v for k, v in description["versions"].items()}
    return {**flags, **versions, **description["digests"]}


def command() -> list[str]:
    """Return the command line of this process, as a user would repeat it."""
    script, *arguments = sys.argv
    programs = {"zoo": ["zoo"], "__main__.py": ["python", "-m", "zoo"]}
    return [*programs.get(Path(script).name, ["python", script]), *arguments]


def resumed(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``config.json`` for the next part of a run.

    `CONDITIONS` and command remain those of the first part; those of the later ones are
    listed in ``resumed``. A difference is noted, because the results are bit-identical
    only under the same conditions.

    Args:
        old: its content so far; None for the first part.
        new: from `describe`.
    """
    if old is None:
        return new
    part = {key: new[key] for key in (*CONDITIONS, "command")}
    before = old.get("resumed")
    parts = [*(before if isinstance(before, list) else []), part]
    names = [name for name in CONDITIONS if old.get(name, new[name]) != new[name]]
    if names:
        changes = [f"{name}: {_change(old[name], new[name])}" for name in names]
        note(
            "the results may differ in the last bits from an uninterrupted run: "
            + "; ".join(changes)
        )
    return {**old, "flags": new["flags"], "digests": new["digests"], "resumed": parts}


def _change(old: Any, new: Any) -> str:
    """Return what was and what is, of versions only those that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        before = {name: old.get(name, "not recorded") for name in new}
        names = [name for name in new if before[name] != new[name]]
        return ", ".join(f"{name} {before[name]} -> {new[name]}" for name in names)
    if isinstance(old, list) and isinstance(new, list) and len(old) != len(new):
        return f"{len(old)} before, {len(new)} now"
    return f"{old} -> {new}"


def _kernels() -> str:
    """Return the kernels that are loaded, or "none"."""
    platform = native.platform()
    # Where kernels run at all, the smallest one does.
    missing = native.missing(platform, "rnn_tanh", jnp.dtype(jnp.float32), 1)
    return native.loaded(platform) if missing is None else "none"


def to_json(config: Any) -> dict[str, Any]:
    """Return flags as values that survive a round trip through JSON.

    Args:
        config: a dataclass of flags.
    """
    flags = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, tuple):
            value = list(value)
        flags[field.name] = str(value) if isinstance(value, Path) else value
    return flags


def of_run(config: Any, task: str) -> Any:
    """Return the flags of the run that ``--resume`` continues.

    Args:
        config: the flags of the command line.
        task: name of the task.

    Returns:
        The flags that the run was started with, except for those that may change:
        they are those of `config`, as are the paths that `config` has. `config` itself
        if there is no such run.

    Raises:
        RunError: if the flags in ``config.json`` are not those of the task.
    """
    if not config.resume or config.out is None:
        return config
    saved = contents.read_config(config.out)
    if saved is None or saved["task"] != task:
        return config
    names = {field.name for field in dataclasses.fields(config)}
    values = {}
    for name, value in saved["flags"].items():
        if name not in names:
            path = config.out / contents.CONFIG
            raise RunError(f"{path}: there is no flag {name!r} in this version")
        is_moved = name in PATHS and getattr(config, name) is not None
        if name not in CHANGEABLE and not is_moved:
            values[name] = tuple(value) if isinstance(value, list) else value
    return dataclasses.replace(config, **values)


def read(folder: Path) -> dict[str, Any] | None:
    """Return the flags of a run, None if there is no ``config.json`` of a run.

    Args:
        folder: the run folder, or the model folder in it.

    Raises:
        RunError: if ``config.json`` cannot be read.
    """
    for path in (folder / "config.json", folder.resolve().parent / "config.json"):
        if not path.exists():
            continue
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        # A model folder has a config.json too, without flags.
        if isinstance(config, dict) and isinstance(config.get("flags"), dict):
            return config["flags"]
    return None


def check_unchanged(folder: Path, task: str, config: Any) -> None:
    """Check that a run is resumed with the flags it was started with.

    Args:
        folder: the run folder.
        task: name of the task.
        config: the flags. Those that an earlier version, which started the run, lacked
            must have their defaults.

    Raises:
        RunError: if the task or a flag differs, or there is no ``config.json`` of a
            run.
    """
    saved = contents.read_config(folder)
    if saved is None:
        raise RunError(
            f"--resume: {folder} has no {contents.CONFIG} of a run; choose another "
            "folder"
        )
    if saved["task"] != task:
        raise RunError(f"--out {folder} holds a run of {saved['task']}, not of {task}")
    flags, started = to_json(config), {**to_json(type(config)()), **saved["flags"]}
    changed = [
        f"--{name.replace('_', '-')} {started.get(name)}, got {flags.get(name)}"
        for name in sorted(flags.keys() | started.keys())
        if name not in CHANGEABLE | PATHS and started.get(name) != flags.get(name)
    ]
    if changed:
        raise RunError(
            f"--resume: the run in {folder} was started with {'; '.join(changed)}: "
            "leave these flags out, or start another run with another --out"
        )


def check_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Check that a run is resumed with the data and the code it was started with.

    Args:
        folder: the run folder.
        digests: see `zoo.tasks.base.Task`.

    Raises:
        RunError: if a digest differs; the message names what has changed.
    """
    config = contents.read_config(folder)
    if config is None:
        return
    old = config.get("digests")
    if not isinstance(old, dict):
        note(
            f"the run in {folder} was started by an earlier version, which did not "
            "store digests of the data: --resume cannot check that they are the same"
        )
        return
    for name in (*digests, *old):
        if old.get(name) != digests.get(name):
            raise RunError(
                f"--resume: {name} changed since the run in {folder} was started; "
                "restore it, or start again with another --out"
            )


def _num_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
