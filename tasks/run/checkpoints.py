"""Checkpoints on disk; orbax, which writes them, takes long to import."""

import errno
import logging
import os
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


class Checkpoints:
    """A folder of checkpoints: the two latest are kept."""

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Args:
            folder: of this run's checkpoints; it need not be there.
        """
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2, enable_async_checkpointing=False
        )
        self._folder = folder
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def latest(self) -> int | None:
        """Return the name of the latest one, None if there is none."""
        return self._manager.latest_step()

    def save(self, name: int, state: Any, position: dict[str, Any]) -> None:
        """Write one, unless there is one of this name.

        Args:
            name: of the checkpoint, higher than those before.
            state: a pytree of arrays.
            position: plain values.

        Raises:
            OSError: if it cannot be written, for one because the disk is full.
        """
        if name in self._manager.all_steps():
            return
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state), position=ocp.args.JsonSave(position)
        )
        # The checkpointer logs the traceback of what it raises: it is told once, below.
        log = logging.getLogger("absl")
        level = log.level
        log.setLevel(logging.CRITICAL)
        try:
            self._manager.save(name, args=args)
        except Exception as error:
            # It comes wrapped, in one of several types.
            if os.strerror(errno.ENOSPC) not in str(error):
                raise
            folder = str(self._folder)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder) from error
        finally:
            log.setLevel(level)

    def restore(self, name: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Read one; what is wrong with it comes as one of many exceptions.

        Args:
            name: of the checkpoint.
            like: a state of the same shapes, to be laid out in the same way.

        Returns:
            The state, and the position.
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
