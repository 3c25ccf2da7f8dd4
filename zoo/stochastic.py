"""Modules that draw noise in training, and the key that a call draws it from."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from flax import nnx

from zoo import checks
from zoo.types import Key

_uses_streams: ContextVar[bool] = ContextVar("_uses_streams", default=True)


@contextmanager
def explicit_keys() -> Iterator[None]:
    """Draw noise from explicit keys alone: in the block, no key means evaluation.

    For pure functions, which cannot advance the stream of a module. Also a decorator.
    """
    token = _uses_streams.set(False)
    try:
        yield
    finally:
        _uses_streams.reset(token)


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
    the key on: its parts must be in the same mode.

    Attributes:
        deterministic: whether the module is in evaluation mode.
        rngs: the stream; None if it has none.
        noise_rates: the attributes that hold the rates of the module's own noise.
    """

    deterministic: bool = True
    rngs: nnx.RngStream | None = None
    noise_rates: ClassVar[tuple[str, ...]] = ("dropout",)

    @property
    def is_noisy(self) -> bool:
        """Whether the module itself, without its submodules, draws noise."""
        return any(getattr(self, name) for name in self.noise_rates)

    def set_view(self, deterministic: bool | None = None) -> None:
        """Set the mode; ``nnx.view(model, deterministic=...)`` calls it.

        Args:
            deterministic: True for evaluation, False for training, None for no change.
        """
        if deterministic is not None:
            self.deterministic = deterministic

    def _keep_stream(self, rngs: nnx.Rngs | None, *, always: bool = False) -> None:
        """Keep a fork of the stream ``dropout`` of `rngs`, if it is named there.

        A module without noise keeps none, unless `always`. The default stream does not
        count: a fork of it would change the initial parameters of all modules that are
        built later.
        """
        if rngs is None:
            return
        checks.rngs(rngs, stream=None)
        if "dropout" in rngs and (always or self.is_noisy):
            self.rngs = rngs.dropout.fork()
            self.deterministic = False

    def _noise_key(self, key: Key | None, *, needed: bool = False) -> Key | None:
        """Return the key of a call: `key`, or the next one of a stream in training.

        Args:
            key: the argument of the call.
            needed: whether the call draws noise even if all rates are zero.

        Raises:
            ValueError: if a module is in training mode and there is no stream, or its
                parts are in different modes.
        """
        if key is not None or not _uses_streams.get():
            return key
        noisy = {
            ".".join(path) or "itself": module
            for path, module in _stochastic_modules(self)
            if module.is_noisy or (needed and module is self)
        }
        modes = {module.deterministic: path for path, module in noisy.items()}
        if False not in modes:
            return None
        name = type(self).__name__
        if True in modes:
            raise ValueError(
                f"{name}: {modes[False]} is in training mode, {modes[True]} in "
                "evaluation mode; call train() or eval() of the whole module, or pass "
                "key= to draw the noise of all parts"
            )
        streams = [
            module.rngs for module in (self, *noisy.values()) if module.rngs is not None
        ]
        if not streams:
            raise ValueError(
                f"{name} is in training mode and its noise needs a key: pass "
                "key=jax.random.key(step), or build it with rngs=nnx.Rngs(params=0, "
                "dropout=1) to draw keys from this stream; eval() turns noise off"
            )
        return streams[0]()


def _stochastic_modules(
    node: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Stochastic]]:
    """Yield the stochastic modules inside a module, itself included, with their paths.

    ``nnx.iter_modules`` also visits every array, and takes a third of the time of a
    small layer's call.
    """
    if isinstance(node, Stochastic):
        yield path, node
    if isinstance(node, nnx.Module):
        node = vars(node)
    elif isinstance(node, list | tuple):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _stochastic_modules(child, (*path, str(name)))
