"""The sample of the classification task: short reviews, positive or negative.

The reviews are generated: the same seed gives the same bytes on every machine, and no
text is in two splits. A positive review holds about as many words of blame as of
praise, and so does a negative one. The label depends on the order of the words: on a
negation before an adjective, or on which of two clauses is the main one.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from zoo.tasks.data import sample_text

SIZES = {"train": 3000, "dev": 300, "test": 500}
SEED = 1997
LABELS = ("negative", "positive")


class Aspect(NamedTuple):
    """What a review judges.

    Attributes:
        noun: its name, in the singular.
        negative: adjectives that blame it.
        positive: adjectives that praise it.
    """

    noun: str
    negative: tuple[str, ...]
    positive: tuple[str, ...]


def _aspect(noun: str, negative: str, positive: str) -> Aspect:
    return Aspect(noun, tuple(negative.split()), tuple(positive.split()))


SUBJECTS: dict[str, tuple[Aspect, ...]] = {
    "We saw this film last week.": (
        _aspect("plot", "predictable confusing dull", "gripping clever original"),
        _aspect("acting", "wooden weak awkward", "convincing superb subtle"),
        _aspect("ending", "silly rushed disappointing", "moving surprising satisfying"),
        _aspect("dialogue", "clumsy flat stilted", "sharp witty natural"),
        _aspect("music", "dreadful intrusive dull", "beautiful haunting superb"),
    ),
    "We had dinner there on a Friday.": (
        _aspect("soup", "watery bland cold", "rich delicious spicy"),
        _aspect("menu", "short dull confusing", "varied original clear"),
        _aspect("bread", "stale soggy dry", "fresh crisp warm"),
        _aspect("service", "slow chaotic careless", "quick polite attentive"),
        _aspect("dessert", "sickly dry bland", "light delicious fresh"),
    ),
    "We stayed for three nights.": (
        _aspect("room", "dirty noisy cramped", "spotless quiet spacious"),
        _aspect("bed", "lumpy narrow creaky", "comfortable wide soft"),
        _aspect("breakfast", "meagre stale cold", "generous fresh delicious"),
        _aspect("view", "dreary ugly grey", "stunning beautiful splendid"),
        _aspect("reception", "unfriendly rude slow", "helpful polite quick"),
    ),
    "I read it in two evenings.": (
        _aspect("opening", "tedious slow confusing", "thrilling clever quick"),
        _aspect("story", "tiresome flat shallow", "believable complex charming"),
        _aspect("prose", "clumsy stilted flat", "elegant vivid natural"),
        _aspect("translation", "awkward stilted careless", "fluent elegant precise"),
        _aspect("cover", "ugly dull gaudy", "beautiful elegant tasteful"),
    ),
    "I have had this phone since May.": (
        _aspect("screen", "dim blurred fragile", "bright sharp sturdy"),
        _aspect("battery", "weak unreliable feeble", "powerful reliable durable"),
        _aspect("camera", "poor slow blurred", "excellent quick sharp"),
        _aspect("keyboard", "sluggish cramped noisy", "responsive spacious quiet"),
        _aspect("design", "ugly dull clumsy", "elegant original beautiful"),
    ),
    "We sat in the second row.": (
        _aspect("band", "sloppy tired listless", "lively tight energetic"),
        _aspect("voice", "shrill weak nervous", "brilliant powerful confident"),
        _aspect("sound", "muffled harsh shrill", "clear balanced warm"),
        _aspect("hall", "stuffy cramped cold", "splendid spacious warm"),
        _aspect("crowd", "rude listless noisy", "friendly lively polite"),
    ),
}
NEGATIONS = ("not", "never", "hardly", "far from", "anything but")
DEGREES = ("", "", "", "very ", "really ", "quite ")


class Writer:
    """Writes reviews of one subject.

    Attributes:
        rng: chooses the words.
        first: the aspect of the first clause.
        second: the aspect of the second clause.
    """

    def __init__(self, rng: random.Random, aspects: tuple[Aspect, ...]) -> None:
        """Choose two aspects.

        Args:
            rng: chooses the words.
            aspects: of the subject.
        """
        self.rng = rng
        self.first, self.second = rng.sample(aspects, 2)

    def adjective(self, aspect: Aspect, positive: bool) -> str:
        """Return a word that praises or blames an aspect.

        Args:
            aspect: what it describes.
            positive: whether it praises.
        """
        return self.rng.choice(aspect.positive if positive else aspect.negative)

    def judgement(self, aspect: Aspect, positive: bool) -> str:
        """Return words after "was": an adjective, or a negation of the opposite.

        Args:
            aspect: what they describe.
            positive: whether they praise.
        """
        if self.rng.random() < 0.5:
            adjective = self.adjective(aspect, positive)
            return self.rng.choice(DEGREES) + adjective
        negation = self.rng.choice(NEGATIONS)
        return f"{negation} {self.adjective(aspect, not positive)}"

    def clause(self, aspect: Aspect, positive: bool) -> str:
        """Return a clause about an aspect.

        Args:
            aspect: its subject.
            positive: whether it praises.
        """
        return f"the {aspect.noun} was {self.judgement(aspect, positive)}"


# Each returns a sentence whose overall judgement is `positive`.
FORMS: tuple[Callable[[Writer, bool], str], ...] = (
    lambda w, positive: w.clause(w.first, positive),
    lambda w, positive: (
        f"{w.clause(w.first, not positive)}, but {w.clause(w.second, positive)}"
    ),
    lambda w, positive: (
        f"although {w.clause(w.first, not positive)}, {w.clause(w.second, positive)}"
    ),
    lambda w, positive: (
        f"{w.clause(w.first, positive)}, even though {w.clause(w.second, not positive)}"
    ),
    lambda w, positive: (
        f"I expected the {w.first.noun} to be {w.adjective(w.first, not positive)}, "
        f"but it was {w.judgement(w.first, positive)}"
    ),
    lambda w, positive: (
        f"critics called the {w.first.noun} {w.adjective(w.first, not positive)}, yet "
        f"to me it was {w.judgement(w.first, positive)}"
    ),
    lambda w, positive: (
        f"the {w.first.noun} was {w.adjective(w.first, positive)}, whoever called it "
        f"{w.adjective(w.first, not positive)}"
    ),
    lambda w, positive: (
        f"the {w.first.noun} used to be {w.adjective(w.first, not positive)} and is "
        f"now {w.adjective(w.first, positive)}"
    ),
    lambda w, positive: (
        f"nobody could call the {w.first.noun} {w.adjective(w.first, not positive)}"
    ),
    lambda w, positive: (
        f"the {w.first.noun} was not {w.adjective(w.first, not positive)} but "
        f"{w.adjective(w.first, positive)}"
    ),
    lambda w, positive: (
        f"the {w.first.noun} was {w.adjective(w.first, positive)}, not "
        f"{w.adjective(w.first, not positive)}"
    ),
)


def review(rng: random.Random, positive: bool) -> str:
    """Return a review.

    Args:
        rng: chooses its subject, its form and its words.
        positive: whether it recommends the subject.
    """
    opening, aspects = rng.choice(list(SUBJECTS.items()))
    sentence = rng.choice(FORMS)(Writer(rng, aspects), positive)
    sentence = f"{sentence[0].upper()}{sentence[1:]}."
    return f"{opening} {sentence}" if rng.random() < 0.5 else sentence


def reviews(seed: int = SEED) -> dict[str, list[tuple[str, str]]]:
    """Return the reviews of each split with their labels, half of them positive.

    Args:
        seed: seed of the reviews.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    splits: dict[str, list[tuple[str, str]]] = {split: [] for split in SIZES}
    for split, rows in splits.items():
        while len(rows) < SIZES[split]:
            positive = len(rows) % 2 == 1
            text = review(rng, positive)
            if text not in seen:
                seen.add(text)
                rows.append((text, LABELS[positive]))
    return splits


def folder() -> Path:
    """Write each split to a TSV file, and return the folder of the files."""
    return sample_text.write_splits("reviews", ("text", "label"), reviews())
