"""Plots of attention and diagnostics; matplotlib is imported by the first plot."""

from zoo.diagnostics.plots.attention import attention
from zoo.diagnostics.plots.gates import gates, saturation
from zoo.diagnostics.plots.gradients import (
    gradient_flow,
    gradient_norms,
    memory_span,
    spectral_radius,
)
from zoo.diagnostics.plots.trajectories import trajectories

__all__ = [
    "attention",
    "gates",
    "gradient_flow",
    "gradient_norms",
    "memory_span",
    "saturation",
    "spectral_radius",
    "trajectories",
]
