"""The sections of a report that depend on the task: errors, and model internals."""

from zoo.tasks.run.sections.classification import classification_sections
from zoo.tasks.run.sections.language_model import language_model_sections
from zoo.tasks.run.sections.memory import (
    digit_errors,
    memory_sections,
    sum_errors,
    symbol_errors,
)
from zoo.tasks.run.sections.seq2seq import seq2seq_sections
from zoo.tasks.run.sections.tagging import tagging_sections

__all__ = ["classification_sections", "language_model_sections", "memory_sections"]
__all__ += ["seq2seq_sections", "tagging_sections"]
__all__ += ["digit_errors", "sum_errors", "symbol_errors"]
