"""Captions of the tables of ``docs/generated/speed.md``."""

MEANS = (
    "Geometric mean of the ratios over cells and shapes; number of cases where ours is "
    "slower."
)
GRID = (
    "Ratio, and milliseconds; bold: the fastest other library that does the same work."
)
PARALLEL = 'Ratio, and milliseconds; the loop is the same layer with `steps="loop"`.'
STEPS = (
    "A compiled training step: peak memory in MB above the memory before the step, the "
    "median of three. A first step compiles, then freed memory is returned by "
    "`malloc_trim` and the peak is reset (all processes have `MALLOC_ARENA_MAX=1`). "
    "Memory that glibc keeps over many steps is not included."
)
PROCESS = (
    "The whole process: peak memory in MB up to the end of its training steps, with "
    "compilation; in brackets the increase since the library was imported and the "
    "arrays were made."
)
