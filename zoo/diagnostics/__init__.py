"""What goes on inside a recurrent network.

How gradients flow, how long it remembers, what its gates do, where its state moves.

Each function takes a layer, and gives arrays; `zoo.plots` draws them. Of a loaded model
the layers are those of its module, after ``nnx.update(pipeline.model,
pipeline.params)``.
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
