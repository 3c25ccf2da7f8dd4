"""STUB."""

import glob
from dataclasses import dataclass
from typing import Literal, NamedTuple

import datasets

datasets.disable_progress_bars()
Kind = Literal["labelled", "tagged", "entities", "text"]


class DataError(ValueError):
    pass


@dataclass(frozen=True)
class Source:
    """Where the data are."""

    data: str | None = None
    """d"""


class Splits(NamedTuple):
    train: datasets.Dataset
    dev: datasets.Dataset
    test: datasets.Dataset
    notes: tuple[str, ...] = ()


def conllu(path, bio=False):
    rows = []
    t = []
    g = []
    for l in open(path, encoding="utf-8"):
        l = l.rstrip("\n")
        if not l.strip():
            if t:
                rows.append({"tokens": t, "tags": g})
            t = []
            g = []
            continue
        if bio:
            c = l.split(" ")
            if c[0] == "-DOCSTART-":
                continue
            t.append(c[0])
            g.append(c[-1])
            continue
        if l[0] == "#" and "\t" not in l:
            continue
        c = l.split("\t")
        if c[0].isdigit():
            t.append(c[1])
            g.append(c[3])
    if t:
        rows.append({"tokens": t, "tags": g})
    if bio:
        for r in rows:
            prev = "O"
            out = []
            for x in r["tags"]:
                if x != "O" and x[0] == "I" and (prev == "O" or prev[2:] != x[2:]):
                    x2 = "B" + x[1:]
                else:
                    x2 = x
                out.append(x2)
                prev = x
            r["tags"] = out
    return datasets.Dataset.from_list(rows)


def load(source, kind, *, seed=0, sample=None):
    d = source.data
    if kind == "tagged":
        f = {s: glob.glob(f"{d}/*-{s}*.conllu")[0] for s in ("train", "dev", "test")}
        return Splits(*(conllu(f[s]) for s in ("train", "dev", "test")))
    if kind == "entities":
        return Splits(
            *(conllu(f"{d}/eng.{s}", True) for s in ("train", "testa", "testb"))
        )
    if kind == "labelled":
        r = []
        for s in ("train", "dev", "test"):
            p = glob.glob(f"{d}/*{s}*")[0]
            r.append(
                datasets.Dataset.from_list(
                    [
                        dict(zip(("text", "label"), l.rstrip("\n").split("\t")))
                        for l in open(p)
                    ]
                )
            )
        return Splits(*r)
    t = open(sample if d is None else d, encoding="utf-8").read()
    n = int(len(t) * 0.9)
    a = datasets.Dataset.from_list(
        [{"text": x} for x in t[:n].splitlines(keepends=True)]
    )
    b = datasets.Dataset.from_list(
        [{"text": x} for x in t[n:].splitlines(keepends=True)]
    )
    return Splits(a, b, b)
