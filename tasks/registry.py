"""The tasks by name."""

from tasks.base import Task
from tasks.charlm import CharacterModel
from tasks.classification import Classification
from tasks.memory import Memory
from tasks.ner import NamedEntities
from tasks.pos import PartOfSpeech
from tasks.seq2seq import SequenceToSequence

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Classification,
        PartOfSpeech,
        NamedEntities,
        CharacterModel,
        SequenceToSequence,
        Memory,
    )
}
