"""What the page of a run shows of each task: its worst errors, and how it sees."""

from tasks.run.sections.classification import classification
from tasks.run.sections.language_model import language_model
from tasks.run.sections.memory import digits, memory, sums, symbols
from tasks.run.sections.seq2seq import seq2seq
from tasks.run.sections.tagging import tagging

__all__ = ["classification", "language_model", "seq2seq", "tagging"]
__all__ += ["memory", "digits", "sums", "symbols"]
