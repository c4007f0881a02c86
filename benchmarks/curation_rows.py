"""Rows with planted duplicates and contamination, and how much of them a curated dataset has left.

Problems are told by templates, so that many differ in their numbers alone; those must stay. Planted are: exact copies
(other case, white space, punctuation), near copies (one to three words exchanged, left out, added or replaced; never a
number), and rows that hold a question of an evaluation set (as it is, inside a longer text, with words replaced).
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

KINDS = ("own", "exact", "near", "verbatim", "embedded", "reworded")
SHARES = {"exact": 0.05, "near": 0.05, "verbatim": 0.004, "embedded": 0.004, "reworded": 0.004}

_NAMES = """
Ada Ben Cleo Dan Ella Finn Gia Hugo Ines Jonas Kira Leo Mona Nils Olga Paul Quinn Rosa Sven Tara Ugo Vera Wim Xenia Zoe
"""
_THINGS = """
apples books candles drums eggs flags gloves hats inkpots jars kites lamps mugs nails oranges pencils quilts ropes
stamps tiles urns vases wheels yarns zippers buttons dolls ferns globes
"""
_PLACES = "market harbour school library bakery museum station garden workshop theatre castle farm"
_FILLERS = "really also just quite today soon again there early exactly"
NAMES, THINGS, PLACES, FILLERS = (words.split() for words in (_NAMES, _THINGS, _PLACES, _FILLERS))
ASIDES = (
    "It was a cold morning and the streets were still empty.",
    "A friend had called the evening before to ask for help.",
    "The whole family was waiting at home for the result.",
    "Nobody had expected so many visitors on that day.",
    "The owner wrote everything down in a small green notebook.",
    "Rain had been falling since the early afternoon.",
    "There was music from the square, and the doors stood open.",
    "Everything had to be ready before the train left.",
)


@dataclass(frozen=True)
class Problem:
    question: str
    answer: int


Template = tuple[str, Callable[[int, int, int], int]]
TEMPLATES: tuple[Template, ...] = (
    ("{n} carries {a} {t} to the {p}, comes back for {b} more, and gives {c} of all the {t} to {m}. How many {t} does "
     "{n} have in the end?", lambda a, b, c: a + b - c),
    ("At the {p}, every one of {a} shelves holds {b} {t}, and {n} puts {c} more on the floor beside {m}. How many {t} "
     "are there at the {p} altogether?", lambda a, b, c: a * b + c),
    ("{n} sells {a} {t} in the morning and {b} {t} in the afternoon, while {m} sells {c} times as many as {n} on that "
     "day. How many {t} does {m} sell?", lambda a, b, c: (a + b) * c),
    ("A box at the {p} can take {a} {t}. {n} fills {b} boxes to the brim, then {m} takes out {c} {t}. How many {t} are "
     "left in the boxes?", lambda a, b, c: a * b - c),
    ("{n} has saved {a} coins for {t}, {m} has saved {b} coins more than {n}, and at the {p} they find {c} coins. How "
     "many coins do both have now, found ones included?", lambda a, b, c: 2 * a + b + c),
    ("The {p} opens with {a} {t}. In each of {b} weeks {n} brings {c} new {t}, and {m} takes none away. How many {t} "
     "does the {p} have after that?", lambda a, b, c: a + b * c),
)  # fmt: skip


def problem(draw: Random) -> Problem:
    """A problem that nobody else draws: three numbers, two people, a thing, a place, perhaps an aside."""
    text, answer = draw.choice(TEMPLATES)
    a, b, c = (draw.randrange(3, 5000) for _ in range(3))
    words = {"n": draw.choice(NAMES), "m": draw.choice(NAMES), "t": draw.choice(THINGS), "p": draw.choice(PLACES)}
    question = text.format(a=a, b=b, c=c, **words)
    if draw.random() < 0.5:
        question = f"{draw.choice(ASIDES)} {question}"
    return Problem(question, answer(a, b, c))


def exact(question: str, draw: Random) -> str:
    """The same question in another dress."""
    dress = draw.randrange(4)
    if dress == 0:
        return question
    if dress == 1:
        return question.upper()
    return question.replace(" ", "  \n") if dress == 2 else question.replace(",", "").replace(".", " .")


def edited(question: str, draw: Random, edits: int) -> str:
    """The question with so many words exchanged with the next, left out, added or replaced; numbers stay."""
    words = question.split()
    for _ in range(edits):
        free = [i for i in range(len(words) - 1) if not re.search(r"\d", words[i] + words[i + 1])]
        i, how = draw.choice(free), draw.randrange(4)
        if how == 0:
            words[i], words[i + 1] = words[i + 1], words[i]
        elif how == 1:
            del words[i]
        elif how == 2:
            words.insert(i, draw.choice(FILLERS))
        else:
            words[i] = draw.choice(FILLERS)
    return " ".join(words)


def rows(count: int, seed: int, evaluation: list[Problem]) -> Iterator[tuple[str, Problem]]:
    """`count` rows with their kinds, copies after their originals."""
    draw = Random(seed)
    planted = {kind: round(share * count) for kind, share in SHARES.items()}
    own = [problem(draw) for _ in range(count - sum(planted.values()))]
    placed = [(draw.random(), "own", p) for p in own]
    originals = list(placed)
    for kind in ("exact", "near"):
        for when, _, p in draw.sample(originals, planted[kind]):
            changed = exact(p.question, draw) if kind == "exact" else edited(p.question, draw, draw.randint(1, 3))
            placed.append((draw.uniform(when, 1), kind, Problem(changed, p.answer)))
    for kind in ("verbatim", "embedded", "reworded"):
        for p in draw.sample(evaluation, planted[kind]):
            text = p.question
            if kind == "embedded":
                text = f"{draw.choice(ASIDES)} {draw.choice(ASIDES)} {text} Explain each step."
            elif kind == "reworded":
                text = edited(text, draw, 2)
            placed.append((draw.random(), kind, Problem(text, p.answer)))
    placed.sort(key=lambda row: row[0])
    return ((kind, p) for _, kind, p in placed)


def plant(folder: Path, count: int, seed: int = 0) -> list[str]:
    """Write `rows.jsonl` and `evaluation.jsonl` into the folder; the kind of each row, in order."""
    draw = Random(seed + 1)
    evaluation = [problem(draw) for _ in range(max(20, count // 50))]
    kinds = []
    with (folder / "rows.jsonl").open("w") as file:
        for kind, p in rows(count, seed, evaluation):
            kinds.append(kind)
            trace = f"We add up what is told, step by step. The answer is \\boxed{{{p.answer}}}."
            line = {"question": p.question, "answer": p.answer, "trace": trace, "split": "train"}
            file.write(json.dumps(line) + "\n")
    with (folder / "evaluation.jsonl").open("w") as file:
        for p in evaluation:
            file.write(json.dumps({"question": p.question, "answer": p.answer}) + "\n")
    return kinds


def shares_dropped(dataset: Path, kinds: list[str]) -> dict[str, float]:
    """Of the rows of each kind, the share that the dataset does not have; of `own` that is what was dropped falsely."""
    places = pq.read_table(dataset / "rows.parquet", columns=["place"])["place"].to_pylist()
    left = {int(place.rpartition(" ")[2]) for place in places}
    found = {kind: [number not in left for number, own in enumerate(kinds, start=1) if own == kind] for kind in KINDS}
    return {kind: sum(dropped) / len(dropped) for kind, dropped in found.items() if dropped}
