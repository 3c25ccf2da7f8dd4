"""Parameters that are not trained: ``--freeze``.

The others are differentiated alone, and the optimiser has a state for them alone.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import reduce

import jax
from flax.traverse_util import unflatten_dict

from zoo.pipelines import Pipeline
from zoo.tasks.base import Task
from zoo.tasks.layer_groups import dotted
from zoo.types import Params

MAX_SHOWN = 40  # names in an error


class Trainable:
    """Which parameters of a model are trained.

    Attributes:
        frozen: the dotted names of those that are not.
    """

    def __init__(self, params: Params, globs: Sequence[str] = ()) -> None:
        """Find the frozen parameters.

        Args:
            params: of the model: nested dicts, or anything without `globs`.
            globs: of dotted names, such as ``embedding.*``. In ``layers.0.*`` the name
                of the list that holds the layers may be left out.

        Raises:
            ValueError: if a glob matches no parameter, or nothing is left to train.
        """
        names = list(dotted(params)) if globs else []
        frozen: set[str] = set()
        for glob in globs:
            matches = [name for name in names if _matches(name, glob)]
            if not matches:
                shown = ", ".join(map(_short, names[:MAX_SHOWN]))
                more = f" and {len(names) - MAX_SHOWN} more" * (len(names) > MAX_SHOWN)
                raise ValueError(
                    f"--freeze: {glob!r} matches no parameter; there are {shown}{more}"
                )
            frozen.update(matches)
        if globs and len(frozen) == len(names):
            raise ValueError(f"--freeze {','.join(globs)} leaves no parameter to train")
        self.frozen = frozenset(frozen)

    @classmethod
    def of(cls, task: Task) -> "Trainable":
        """Return what is trained of a task's model: see `Task.frozen`, ``--freeze``.

        Args:
            task: the task.

        Raises:
            ValueError: as for the constructor, or if lazy updates are of a frozen
                embedding.
        """
        own = filter(None, map(str.strip, task.config.freeze.split(",")))
        trainable = cls(task.pipeline.params, (*task.frozen, *own))
        is_lazy = getattr(task.config, "lazy_embedding", False)
        if is_lazy and "embedding.table" in trainable.frozen:
            raise ValueError(
                "--lazy-embedding is for an embedding that is trained, but --freeze or "
                "--freeze-vectors excludes it"
            )
        return trainable

    def round_stored(self, pipeline: Pipeline) -> None:
        """Round frozen parameters to the type in which they will be stored.

        The others are then trained with the numbers of the saved model.

        Args:
            pipeline: the model at the start of the training.
        """
        for name, dtype in pipeline.stored_dtypes.items():
            *modules, last = name.split("/")
            if ".".join((*modules, last)) in self.frozen:
                param = getattr(reduce(getattr, modules, pipeline.model), last)
                param[...] = param[...].astype(dtype).astype(param.dtype)
        pipeline.bind()

    def select(self, params: Params) -> Params:
        """Return the trained parameters: nested dicts without the others.

        Args:
            params: all parameters, or another tree with their names.
        """
        if not self.frozen:
            return params
        leaves = dotted(params).items()
        return unflatten_dict(
            {name: leaf for name, leaf in leaves if name not in self.frozen}, sep="."
        )

    def replace(self, params: Params, trained: Params) -> Params:
        """Return all parameters, with new values of the trained ones.

        Args:
            params: all parameters.
            trained: a tree like the result of `select`.
        """
        if not self.frozen:
            return trained
        return unflatten_dict({**dotted(params), **dotted(trained)}, sep=".")

    def about(self, params: Params) -> dict[str, int]:
        """Return how many parameters are trained, for the model card; {} if all are.

        Args:
            params: all parameters.
        """
        if not self.frozen:
            return {}
        leaves = jax.tree.leaves(self.select(params))
        return {"trained_parameters": sum(leaf.size for leaf in leaves)}


def _short(name: str) -> str:
    """Return a name without that of the list that holds the layers."""
    return name.replace("layers.layers.", "layers.")


def _matches(name: str, glob: str) -> bool:
    return fnmatchcase(name, glob) or fnmatchcase(_short(name), glob)
