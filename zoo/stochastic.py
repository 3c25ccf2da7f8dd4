"""Modules that draw noise in training, and the key that a call draws it from."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar

from flax import nnx
from flax.errors import TraceContextError

from zoo import checks
from zoo.types import Key


class Stochastic(nnx.Module):
    """A module that draws noise in training, such as dropout or zoneout.

    A call draws all of its noise from one key:

    - ``key=...``: from this key, in both modes;
    - no key, in evaluation mode: no noise;
    - no key, in training mode: from the next key of the module's own stream.

    ``module.train()`` and ``module.eval()`` set the mode, as for the modules of
    ``flax.nnx``. A module whose `rngs` name a stream ``dropout`` keeps a fork of it and
    starts in training mode. All others start in evaluation mode::

        layer = zoo.LSTM(50, 100, 2, dropout=0.5, rngs=nnx.Rngs(params=0, dropout=1))
        layer(x)        # new noise in every call
        layer.eval()
        layer(x)        # no noise

    A call uses the stream of the module that is called, or one inside it, and passes
    the key on: its parts must be in the same mode. The parts keep streams too, because
    each can be called alone. A stream advances only where the module is an argument of
    the transformation: in ``nnx.jit`` and ``nnx.grad``, not in ``jax.jit`` and
    ``jax.grad``, which take a `key` or a module in evaluation mode.

    Attributes:
        deterministic: whether the module is in evaluation mode.
        rngs: the stream; None if it has none.
        dropout: the module's own dropout rate.
        draws_on_request: whether an argument of a call can ask for noise that no rate
            of the module has, such as scheduled sampling.
    """

    deterministic: bool = True
    rngs: nnx.RngStream | None = None
    dropout: float = 0.0
    draws_on_request: ClassVar[bool] = False

    @property
    def is_noisy(self) -> bool:
        """Whether the module itself, without its submodules, draws noise."""
        return self.dropout > 0

    def set_view(self, deterministic: bool | None = None) -> None:
        """Set the mode; ``nnx.view(model, deterministic=...)`` calls it.

        Args:
            deterministic: True for evaluation, False for training, None for no change.
        """
        if deterministic is not None:
            self.deterministic = deterministic

    def _fork_stream(self, rngs: nnx.Rngs | None) -> None:
        """Keep a fork of the stream ``dropout`` of `rngs`, if it is named there.

        A module that cannot draw noise keeps none. The default stream does not count:
        a fork of it would change the initial parameters of all modules that are built
        later.
        """
        if rngs is None:
            return
        check_rngs(rngs, stream=None)
        if "dropout" in rngs and (self.is_noisy or self.draws_on_request):
            self.rngs = rngs.dropout.fork()
            self.deterministic = False

    def _noise_key(self, key: Key | None, *, requested: bool = False) -> Key | None:
        """Return the key of a call: `key`, or the next one of a stream in training.

        Args:
            key: the argument of the call.
            requested: whether the call asks for noise even if all rates are zero.

        Raises:
            TypeError: if `key` is not a key of JAX.
            ValueError: if a module is in training mode and there is no stream, or its
                stream cannot advance, or its parts are in different modes.
        """
        if key is not None:
            return checks.key("key", key)
        noisy = [
            module
            for module in _stochastic_modules(self)
            if module.is_noisy or (requested and module is self)
        ]
        training = [module for module in noisy if not module.deterministic]
        if not training:
            return None
        name = type(self).__name__
        if len(training) < len(noisy):
            evaluating = next(module for module in noisy if module.deterministic)
            raise ValueError(
                f"{name}: {self._path(training[0])} is in training mode, "
                f"{self._path(evaluating)} in evaluation mode; call train() or eval() "
                "of the whole module, or pass key= to draw the noise of all parts"
            )
        streams = [module.rngs for module in (self, *noisy) if module.rngs is not None]
        if not streams:
            raise ValueError(
                f"{name} is in training mode and its noise needs a key: pass "
                "key=jax.random.key(step), or build it with rngs=nnx.Rngs(params=0, "
                "dropout=1) to draw keys from this stream; eval() turns noise off"
            )
        try:
            return streams[0]()
        except TraceContextError:
            raise ValueError(
                f"{name} is in training mode and cannot advance its stream inside "
                "jax.jit, jax.grad or another transformation of JAX: use nnx.jit and "
                "nnx.grad with the module as an argument, or pass key=; eval() turns "
                "noise off"
            ) from None

    def _path(self, part: nnx.Module) -> str:
        """Return the path of a part, for messages."""
        paths = (path for path, module in nnx.iter_modules(self) if module is part)
        return ".".join(map(str, next(paths))) or "itself"


def check_rngs(rngs: Any, stream: str | None = "params") -> None:
    """Check that a value is ``nnx.Rngs`` and has the keys of an initialisation.

    Args:
        rngs: the argument.
        stream: a stream that it must have, by its name or as the default; None checks
            the type only.

    Raises:
        TypeError: if it is not ``nnx.Rngs``.
        ValueError: if it has no such stream.
    """
    if not isinstance(rngs, nnx.Rngs):
        is_int = isinstance(rngs, int) and not isinstance(rngs, bool)
        seed = rngs if is_int else "key" if hasattr(rngs, "dtype") else 0
        raise TypeError(
            f"rngs must be flax.nnx.Rngs, got {type(rngs).__name__}: write "
            f"rngs=nnx.Rngs({seed})"
        )
    if stream is not None and not {stream, "default"} & set(rngs):
        raise ValueError(
            f"rngs has no stream {stream!r}, only {', '.join(rngs) or 'none'}: write "
            "rngs=nnx.Rngs(params=0, dropout=1)"
        )


def _stochastic_modules(root: Stochastic) -> list[Stochastic]:
    """Return the stochastic modules inside a module, itself first.

    ``nnx.iter_modules`` also visits every array, and takes a third of the time of a
    small layer's call.
    """
    modules, seen, nodes = [], set(), [root]
    for node in nodes:  # grows below
        children, is_stochastic = _kind(type(node))
        if children is None or id(node) in seen:
            continue
        seen.add(id(node))
        nodes.extend(children(node))
        if is_stochastic:
            modules.append(node)
    return modules


# Cached, because issubclass is slow for nnx.Module, which is an abstract base class.
@lru_cache
def _kind(kind: type) -> tuple[Callable[[Any], Iterable[Any]] | None, bool]:
    """Return how to list the children of a node, if any, and if it is stochastic."""
    if issubclass(kind, nnx.Module):
        return lambda module: vars(module).values(), issubclass(kind, Stochastic)
    if issubclass(kind, dict):
        return lambda node: node.values(), False
    return (iter if issubclass(kind, list | tuple) else None), False
