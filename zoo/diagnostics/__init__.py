"""Diagnostics of recurrent networks: gradients, memory, gates and state trajectories.

Each function takes a layer and returns arrays; `zoo.plots` plots them. The layers of a
loaded model are attributes of ``zoo.load(path).model``.
"""

from zoo.diagnostics.gates import Saturation, gates, saturation
from zoo.diagnostics.gradients import (
    GradientFlow,
    MemorySpan,
    gradient_flow,
    gradient_norms,
    memory_span,
    spectral_radius,
)
from zoo.diagnostics.trajectories import Trajectories, trajectories

__all__ = [
    "GradientFlow",
    "MemorySpan",
    "Saturation",
    "Trajectories",
    "gates",
    "gradient_flow",
    "gradient_norms",
    "memory_span",
    "saturation",
    "spectral_radius",
    "trajectories",
]
