"""Training that starts from the parameters of another run: ``--init``.

The vocabularies of the new run are those of its training data, and then the tokens that
only the old model has, so that a text may use them. The rows of an embedding, and of
the softmax of a language model, are taken by token; those of a label by its name.

The model that a run starts from is kept in the run folder: ``--resume`` does not need
the old run.
"""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from zoo import artifact
from zoo.artifact import weights
from zoo.pipelines import Pipeline
from zoo.tasks import processes
from zoo.tasks.base import Task
from zoo.tasks.parameter_copy import (
    Copied,
    DirectionError,
    can_copy,
    copy_parameters,
    part_of,
    same_context,
)
from zoo.tasks.run import contents
from zoo.tasks.run.errors import RunError, full_disk
from zoo.tasks.token_axes import Table, missing, preprocessing, tables
from zoo.text import Text

MAX_SHOWN = 10  # tokens in a note


def start(task: Task, pipeline: Any) -> Any:
    """Return a model with the parameters of ``--init``, and larger vocabularies.

    Notes for the user and a digest of the old model are added to the task.

    Args:
        task: the task; its run may be one that is resumed.
        pipeline: the untrained model of the task; `pipeline` itself without ``--init``.

    Raises:
        RunError: if there is no model in the folder.
        ValueError: if no parameter can be taken, or the texts of both models are
            divided into different units or read in different directions; the message
            names the flags.
        zoo.artifact.ArtifactError: if the model is damaged.
    """
    config = task.config
    if config.init is None:
        return pipeline
    path, is_kept = Path(config.init), False
    if config.resume and config.out is not None:
        kept = Path(config.out) / contents.INITIAL
        path, is_kept = (kept, True) if kept.exists() else (path, False)
    try:
        old = artifact.load(path)
    except FileNotFoundError as error:
        raise RunError(f"--init: {error}") from None
    try:
        pipeline, notes = transfer(old, pipeline, config, path)
    except ValueError as error:
        raise ValueError(f"--init {config.init}: {error}") from None
    digest = _digest(old)
    if is_kept:  # written by `keep`
        about = artifact.about(path)
        notes, digest = about.get("notes", notes), about.get("digest", digest)
    task.initial = {"init": config.init, "digest": digest, "notes": notes}
    task.notes += [f"--init {config.init}: {note}" for note in notes]
    task.digests["the model of --init"] = digest
    return pipeline


def keep(task: Task, folder: Path) -> None:
    """Write the model that a run starts from into its folder, if it has ``--init``.

    Args:
        task: the task.
        folder: of the run.
    """
    path = folder / contents.INITIAL
    if task.initial is None or not processes.leads() or path.exists():
        return
    pipeline = copy.copy(task.pipeline)
    pipeline.stored_dtypes = {}  # the training starts from exact numbers
    with full_disk(path):
        artifact.save(path, pipeline, about=task.initial)


def transfer(old: Any, new: Any, config: Any, path: Path) -> tuple[Any, list[str]]:
    """Return a model with the parameters of another, and notes on what was taken.

    Args:
        old: the trained model.
        new: the untrained model; its encoders get larger vocabularies.
        config: the flags, for the limit of the vocabularies and the seed.
        path: of `old`, for messages.

    Raises:
        ValueError: if nothing can be taken, or a flag prevents it.
    """
    notes = _check_preprocessing(old, new)
    kept, more = _grow(old, new, config)
    notes += more
    if kept:
        new = _rebuilt(new, config.seed)
    try:
        copied = copy_parameters(old, new, path)
    except DirectionError as error:
        raise ValueError(_direction(error.bidirectional, config)) from None
    if not copied.taken:
        reasons = "; ".join(
            f"{part}: {why}" for part, why in copied.initialised.items()
        )
        raise ValueError(f"no parameter can be taken ({reasons})")
    return new, [*_describe(copied, old, new), *kept, *notes]


def _check_preprocessing(old: Any, new: Any) -> list[str]:
    """Return notes on different preprocessing.

    Raises:
        ValueError: if the texts are divided into different units, or read in different
            directions.
    """
    directions = [
        "backward" if getattr(pipeline, "backward", False) else "forward"
        for pipeline in (old, new)
    ]
    if len(set(directions)) > 1:
        raise ValueError(
            f"it reads a text {directions[0]}, this run {directions[1]}: train both "
            "with --backward, or both without"
        )
    if _has_context(old) and _has_context(new) and not same_context(old, new):
        raise ValueError(
            "the models of --features are others than those that it was trained with, "
            "or in another order; its layers cannot read them"
        )
    notes, before = [], {table.name: table.encoder for table in tables(old)}
    for table in tables(new):
        if table.name not in before or table.attribute == "chars":
            continue
        theirs = preprocessing(before[table.name])
        ours = preprocessing(table.encoder)
        if theirs["units"] != ours["units"]:
            raise ValueError(
                f"its embeddings are of {theirs['units']}, those of this run of "
                f"{ours['units']}: both need the same --units (of seq2seq "
                "--source-tokens and --target-tokens)"
            )
        for name in ours.keys() & theirs.keys():
            if ours[name] != theirs[name]:
                notes.append(
                    f"the {table.title} are preprocessed differently: {name} is "
                    f"{theirs[name]} in the old model, {ours[name]} here; tokens that "
                    "differ have no common row"
                )
    return sorted(notes)


def _has_context(pipeline: Any) -> bool:
    """Return whether a model has contextual string embeddings."""
    return bool(getattr(pipeline, "context", None))


def _grow(old: Any, new: Any, config: Any) -> tuple[list[str], list[str]]:
    """Add the tokens of the old model to the new vocabularies.

    Returns:
        Notes on the vocabularies that have become larger, and those on tokens that were
        left out.
    """
    before = {table.name: table for table in tables(old)}
    kept, notes = [], []
    for table in tables(new):
        if table.name not in before or not can_copy(old, new, table.name):
            continue
        tokens = _addable(table, before[table.name])
        limit = _limit(table, config)
        room = None if limit is None else max(0, limit - _size(table))
        if room is not None and room < len(tokens):
            left = len(tokens) - room
            notes.append(
                f"{table.title} of the old model left out: {left:,} "
                f"({_limit_flags(table, config)})"
            )
            tokens = tokens[:room]
        if tokens:
            table.append(tokens)
            kept.append(
                f"{table.title} of the old model added to the vocabulary: "
                f"{len(tokens):,}"
            )
    return kept, notes


def _addable(table: Table, before: Table) -> list[str]:
    """Return the tokens of an old table that the new one lacks but texts may have."""
    ours, theirs = table.encoder, before.encoder
    if isinstance(ours, Text) and ours.subwords is not None:
        if not isinstance(theirs, Text) or ours.rules() != theirs.rules():
            return []  # other merges make other pieces of a text
    return table.readable(missing(before.vocabulary, table.vocabulary))


def _limit(table: Table, config: Any) -> int | None:
    """Return the largest number of tokens of a vocabulary, None without a limit."""
    of_chars = getattr(table.encoder, "units", table.attribute) == "chars"
    limit = None if of_chars else getattr(config, "vocab_size", None)
    has_vectors = table.name == "embedding.table" and getattr(config, "vectors", None)
    if limit is not None and has_vectors:
        limit += config.vector_words
    return limit


def _limit_flags(table: Table, config: Any) -> str:
    """Return the flags that limit a vocabulary."""
    flags = f"--vocab-size {config.vocab_size}"
    if table.name == "embedding.table" and getattr(config, "vectors", None):
        flags += f", --vector-words {config.vector_words}"
    return flags


def _size(table: Table) -> int:
    return len(table.vocabulary) - table.vocabulary.reserved


def _rebuilt(pipeline: Any, seed: int) -> Any:
    """Return a model with the larger vocabularies of its encoders.

    The new tokens are the last ones: all parameters keep their values, and the new
    entries of an axis are initialised.
    """
    options = dict(pipeline.options)
    if pipeline.kind == "language_model":  # it predicts the tokens of train alone
        options.setdefault("num_outputs", options["vocab_size"])
    options |= {table.option: len(table.vocabulary) for table in tables(pipeline)}
    grown = type(pipeline).from_json({**pipeline.to_json(), "options": options})
    grown.model = type(pipeline).model_class(**options, rngs=nnx.Rngs(seed))
    grown.stored_dtypes = pipeline.stored_dtypes
    grown.bind()
    arrays = weights.arrays_of(grown.params, grown.model)
    for name, old in weights.arrays_of(pipeline.params, pipeline.model).items():
        arrays[name] = np.array(arrays[name])
        arrays[name][tuple(map(slice, old.shape))] = old
    weights.fill(grown.model, arrays, Path(contents.INITIAL))
    grown.bind()
    return grown


def _direction(bidirectional: bool, config: Any) -> str:
    """Return what is wrong with the directions of the layers, and what to do."""
    if bidirectional:
        flag = (
            "add --bidirectional"
            if hasattr(config, "bidirectional")
            else ("train the other run with --no-bidirectional")
        )
        return f"its layers read in both directions, those of this run forward: {flag}"
    return (
        "its layers read forward; in a bidirectional model every layer above the first "
        "reads both directions: add --no-bidirectional, or --num-layers 1"
    )


def _describe(copied: Copied, old: Pipeline, new: Pipeline) -> list[str]:
    """Return what was taken, and what was initialised."""
    taken = [
        f"{part} ({rows})" if rows else part for part, rows in copied.taken.items()
    ]
    notes = [f"taken: {', '.join(taken)}"]
    if copied.initialised:
        fresh = [f"{part} ({why})" for part, why in copied.initialised.items()]
        notes.append(f"initialised: {', '.join(fresh)}")
    if copied.unused:
        notes.append(f"not used: {', '.join(copied.unused)}")
    before = {table.name: table.vocabulary for table in tables(old)}
    for table in tables(new):
        if part_of(table.name) not in copied.taken or table.name not in before:
            continue
        tokens = missing(table.vocabulary, before[table.name])
        if tokens:
            more = f" and {len(tokens) - MAX_SHOWN:,} more" * (len(tokens) > MAX_SHOWN)
            shown = ", ".join(map(repr, tokens[:MAX_SHOWN]))
            notes.append(f"{table.title} that the old model lacks: {shown}{more}")
    return notes


def _digest(pipeline: Pipeline) -> str:
    """Return a digest of a model: of its options, vocabularies and arrays."""
    text = json.dumps(pipeline.to_json(), sort_keys=True)
    digest = hashlib.blake2b(text.encode("ascii"))
    for name, array in sorted(
        weights.arrays_of(pipeline.params, pipeline.model).items()
    ):
        digest.update(name.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
