"""Checkpoints on disk, by orbax, which takes long to import."""

import errno
import logging
import os
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


class Checkpoints:
    """A folder of checkpoints that keeps the latest two."""

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Args:
            folder: of the checkpoints of a run; it need not exist.
        """
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2, enable_async_checkpointing=False
        )
        self._folder = folder
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def latest(self) -> int | None:
        """Return the number of the latest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, name: int, state: Any, position: dict[str, Any]) -> None:
        """Write a checkpoint, unless one of this number exists.

        Args:
            name: number of the checkpoint, higher than all before.
            state: a pytree of arrays.
            position: of types that JSON has.

        Raises:
            OSError: if it cannot be written, for example because the disk is full.
        """
        if name in self._manager.all_steps():
            return
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state), position=ocp.args.JsonSave(position)
        )
        # orbax logs the traceback of what it raises; the error is reported once, below.
        logger = logging.getLogger("absl")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            self._manager.save(name, args=args)
        except Exception as error:
            # orbax wraps the OSError in one of several types.
            if os.strerror(errno.ENOSPC) not in str(error):
                raise
            folder = str(self._folder)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder) from error
        finally:
            logger.setLevel(level)

    def restore(self, name: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Read a checkpoint; orbax raises many types of exceptions if it is damaged.

        Args:
            name: number of the checkpoint.
            like: a state with the shapes, dtypes and shardings to restore.

        Returns:
            The state and the position.
        """
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(shapes), position=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(name, args=args)
        return restored["state"], restored["position"]

    def close(self) -> None:
        """Close all files."""
        self._manager.close()
