"""The layer groups of a model: its input, each recurrent layer, its head.

Fine-tuning treats the parameters of a group alike: they have one learning rate, and
training of all of them starts at the same step.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flax.traverse_util import flatten_dict

from zoo.types import Params

# The modules of a token, and the recurrent layers, of all models; the head is the rest.
_INPUT = re.compile(r"(embedding|chars|shapes|context|decoder\.embedding)\.")
_LAYER = re.compile(r"(layers|encoder|decoder\.layers)\.layers\.(\d+)\.")
_STACKS = {
    "layers": "layer",
    "encoder": "encoder layer",
    "decoder.layers": "decoder layer",
}


def dotted(params: Params) -> dict[str, Any]:
    """Return the parameters by dotted name, such as ``layers.layers.0.cell.W``.

    Args:
        params: nested dicts with strings as keys.
    """
    return flatten_dict(params, sep=".")


def layer(name: str) -> tuple[str, int] | None:
    """Return the stack and the number of the recurrent layer that has a parameter.

    Args:
        name: of the parameter.

    Returns:
        ``"layers"``, ``"encoder"`` or ``"decoder.layers"``, and the number from 0; None
        for the other parameters.
    """
    match = _LAYER.match(name)
    return None if match is None else (match[1], int(match[2]))


@dataclass(frozen=True)
class LayerGroups:
    """The layer groups of a model.

    Attributes:
        names: of the groups, from the input to the output: ``embedding``, ``layer 0``
            and so on, ``head``; of a sequence-to-sequence model ``encoder layer 0`` and
            so on before ``decoder layer 0``.
        numbers: the index in `names` of the group of each parameter, by dotted name.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, params: Params) -> "LayerGroups":
        """Return the groups of a model.

        Args:
            params: of any model of `zoo.models`.
        """
        places = {name: _place(name) for name in dotted(params)}
        order = sorted(set(places.values()))
        names = tuple(_name(place) for place in order)
        return cls(names, {name: order.index(place) for name, place in places.items()})

    def depth(self, name: str) -> int:
        """Return the distance of a parameter's group from the head, which has 0.

        Args:
            name: of the parameter.
        """
        return len(self.names) - 1 - self.numbers[name]

    def sizes(self, params: Params) -> list[int]:
        """Return the number of parameters of each group.

        Args:
            params: of the model, or a part of them.
        """
        sizes: Counter[int] = Counter()
        for name, leaf in dotted(params).items():
            sizes[self.numbers[name]] += leaf.size
        return [sizes[number] for number in range(len(self.names))]


def _place(name: str) -> tuple[int, int, int]:
    """Return what sorts the groups from the input to the output."""
    if _INPUT.match(name):
        return 0, 0, 0
    place = layer(name)
    if place is None:
        return 2, 0, 0
    stack, number = place
    return 1, list(_STACKS).index(stack), number


def _name(place: tuple[int, int, int]) -> str:
    rank, stack, number = place
    layer_name = f"{list(_STACKS.values())[stack]} {number}"
    return ("embedding", layer_name, "head")[rank]
