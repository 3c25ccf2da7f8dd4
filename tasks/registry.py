"""The tasks by name."""

from zoo.tasks.base import Task
from zoo.tasks.charlm import CharacterModel
from zoo.tasks.classification import Classification
from zoo.tasks.memory import Memory
from zoo.tasks.ner import NamedEntities
from zoo.tasks.pos import PartOfSpeech
from zoo.tasks.seq2seq import SequenceToSequence

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
