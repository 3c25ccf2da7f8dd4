"""The random numbers of a layer's regularisers, all drawn before the loop."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from zoo import checks, regularizers
from zoo.cells.base import Cell
from zoo.types import Array, Key, State, floating


class LoopParams(NamedTuple):
    """The parameters of the loop, the same at every step.

    Attributes:
        cell: the variables of the cell.
        dropped: dropout factor of the h that the recurrent products read, ``[B, H]``.
    """

    cell: dict[str, Any]
    dropped: Array | None = None


class Noise(NamedTuple):
    """The random numbers of one step of training.

    Attributes:
        keep: dropout factor of the candidate, ``[B, H]``.
        hold: for each zoned-out part of the state, True where a unit keeps its old
            value.
    """

    keep: Array | None = None
    hold: Mapping[str, Array] | None = None


class Rates(NamedTuple):
    """The rates of a layer's regularisers, see `zoo.Recurrent`.

    Attributes:
        recurrent_dropout: of the h that the recurrent products read.
        candidate_dropout: of the candidate.
        zoneout: of the parts of the state, by name.
        weight_drop: of the recurrent matrices.
    """

    recurrent_dropout: float
    candidate_dropout: float
    zoneout: tuple[tuple[str, float], ...]
    weight_drop: float

    @classmethod
    def of(
        cls,
        cell: Cell,
        *,
        recurrent_dropout: float,
        candidate_dropout: float,
        zoneout: float | Mapping[str, float],
        weight_drop: float,
    ) -> "Rates":
        """Return the rates if the cell supports them.

        Args:
            cell: what is regularised.
            recurrent_dropout: a rate.
            candidate_dropout: a rate.
            zoneout: a rate, or one for each part of the state.
            weight_drop: a rate.

        Raises:
            ValueError: if a rate is out of its range, or the cell lacks what it acts
                on.
        """
        state = jax.eval_shape(lambda: cell.init_state(1))
        rates = cls(
            checks.rate("recurrent_dropout", recurrent_dropout),
            checks.rate("candidate_dropout", candidate_dropout),
            _zoneout(zoneout, state),
            checks.rate("weight_drop", weight_drop),
        )
        name = type(cell).__name__
        if rates.recurrent_dropout and not ("h" in state._fields and cell.recurrent):
            raise ValueError(
                "recurrent_dropout acts on the h that recurrent products read, which "
                f"{name} does not have"
            )
        if rates.candidate_dropout and not cell.candidate:
            raise ValueError(
                f"candidate_dropout acts on a candidate, which {name} does not have; "
                "recurrent_dropout acts on every cell with a recurrent matrix"
            )
        if rates.weight_drop and not cell.recurrent:
            raise ValueError(
                f"weight_drop acts on recurrent matrices, which {name} does not have"
            )
        return rates

    def draw(
        self, cell: Cell, key: Key | None, params: LoopParams, B: int, T: int
    ) -> tuple[LoopParams, Noise]:
        """Draw the random numbers of a sequence.

        Args:
            cell: what is regularised.
            key: a key, or None for evaluation, which draws nothing.
            params: of the loop.
            B: rows.
            T: steps.

        Returns:
            The parameters with dropout applied, and the noise of all steps.
        """
        if key is None or not any(self):
            return params, Noise()
        h_key, candidate_key, weights_key, zoneout_key = jax.random.split(key, 4)
        dtype = cell.state_dtype
        state = jax.eval_shape(lambda: cell.init_state(B))._asdict()
        dropped = keep = hold = None
        if self.recurrent_dropout:
            dropped = regularizers.dropout_mask(
                h_key, state["h"].shape, self.recurrent_dropout, dtype
            )
        if self.candidate_dropout:
            keep = regularizers.dropout_mask(
                candidate_key, (T, B, cell.hidden_size), self.candidate_dropout, dtype
            )
        if self.zoneout:
            keys = jax.random.split(zoneout_key, len(self.zoneout))
            hold = {
                name: regularizers.bernoulli(k, rate, (T, *state[name].shape))
                for k, (name, rate) in zip(keys, self.zoneout, strict=True)
            }
        names = cell.recurrent
        keys = jax.random.split(weights_key, len(names)) if names else ()
        dropped_weights = {
            name: regularizers.weight_drop(k, params.cell[name], self.weight_drop)
            for k, name in zip(keys, names, strict=True)
        }
        cell_params = {**params.cell, **dropped_weights}
        return LoopParams(cell_params, dropped), Noise(keep, hold)


def _zoneout(
    zoneout: float | Mapping[str, float], state: State
) -> tuple[tuple[str, float], ...]:
    """Return the parts of a state that are zoned out, with their rates."""
    parts = list(floating(state))
    if not isinstance(zoneout, Mapping):
        zoneout = dict.fromkeys(parts, checks.rate("zoneout", zoneout))
    for name, rate in zoneout.items():
        checks.one_of("a part of the state in zoneout", name, parts)
        checks.rate(f"zoneout[{name!r}]", rate)
    return tuple((name, float(rate)) for name, rate in zoneout.items() if rate)
