"""Exact and near duplicates: what is one question, what is not; order, contradictions, numbers, chunks."""

from collections.abc import Callable
from copy import deepcopy
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.curation.dataset import Row
from ringexp.curation.dedup import Exact
from ringexp.curation.near import Near, jaccard, shingles
from ringexp.curation.steps import Step
from ringexp.curation.text import answer_key, marks, ngrams, numbers, question_digest, tokens
from ringexp.errors import ConfigError
from ringexp.records import Prompt
from ringexp.rewards.math import MathVerifier

Make = Callable[..., Row]

TOLD = ("On Monday the baker sells 12 loaves to every one of her 7 regular customers, and 5 more loaves to people who "
        "come by. How many loaves does she sell on that day?")  # fmt: skip


def never(one: Prompt, other: Prompt) -> bool:
    return False


def judged(step: Step, rows: list[Row], sizes: tuple[int, ...] = ()) -> list[str]:
    """The ids that stay, the rows given in chunks of these sizes and the rest at once."""
    step.survey(iter(rows))
    kept, first = [], 0
    for size in (*sizes, len(rows)):
        kept += [row.prompt.id for row in step.judge(rows[first : first + size]).kept]
        first += size
    return kept


@pytest.mark.parametrize(("one", "other", "same"), [
    ("What is 2 + 3?", " what  is 2+3 ", True),
    ("What is ２ ＋ 3?", "What is 2 + 3?", True),
    ("He has 1,000 well-made hats.", "He has 1000 well made hats", True),
    ("What is 2 + 3?", "What is 2 * 3?", False),
    ("What is 2 - 3?", "What is 2 3?", False),
    ("What is 3.5 + 1?", "What is 35 + 1?", False),
    ("What is .5 + 1?", "What is 5 + 1?", False),
    ("What is 1 2 + 3?", "What is 12 + 3?", False),
    ("Find f(x, y).", "Find f(xy).", False),
    ("What is $x^2$?", "What is x^2", True),
    ("What is x^{23}?", "What is x^{2}3?", False),
])  # fmt: skip
def test_what_makes_two_questions_exactly_the_same(one: str, other: str, same: bool) -> None:
    assert (question_digest(one) == question_digest(other)) is same


@pytest.mark.parametrize(("one", "other", "same"), [
    ("7", "7.0", True), ("$7$.", "\\boxed{7}", True), ("1/2", "0.5", True), ("1,000", "1000", True),
    ("-3", "-3.00", True),
    ("7", "8", False), ("1/2", "1/3", False), ("7 m", "7 km", False), ("x + 1", "x+1", True), ("1/0", "1", False),
])  # fmt: skip
def test_what_makes_two_answers_certainly_the_same(one: str, other: str, same: bool) -> None:
    assert (answer_key(Prompt("a", "math", "", one)) == answer_key(Prompt("b", "math", "", other))) is same


def test_numbers_count_as_often_as_they_occur_and_words_for_them_too() -> None:
    assert numbers(tokens("2 and 2.0 and 3, three, Twice .5")) == {"2": 2, "3": 1, "three": 1, "twice": 1, "1/2": 1}
    assert marks(tokens("3 + 5 is 8")) == marks(tokens("8 is 5 + 3")) != marks(tokens("3 - 5 is 8"))


def test_the_first_of_exact_duplicates_stays(make: Make) -> None:
    told = {"What is 2+3?": "5", "What is 4+3?": "7", "what is 2 + 3": "5.0", " What is 2+3?": "5"}
    rows = [make(question, answer) for question, answer in told.items()]
    step = Exact(never)
    assert judged(step, rows) == ["row1", "row2"]
    found = Exact(never)
    found.survey(rows)
    assert [(own, f.reason, f.matched) for own, _, _, f in found.judge(rows).found] == [
        ("row3", "duplicate", "row1"), ("row4", "duplicate", "row1")]  # fmt: skip


def test_rows_that_contradict_each_other_all_go(make: Make) -> None:
    told = {"What is 2+3?": "5", "What is 4+3?": "7", "What is 2 + 3?": "6", " What is 2+3?": "5"}
    rows = [make(question, answer) for question, answer in told.items()]
    step = Exact(never)
    step.survey(rows)
    result = step.judge(rows)
    assert [row.prompt.id for row in result.kept] == ["row2"]
    assert result.dropped == {"contradiction": 3}
    assert {finding.detail for *_, finding in result.found} == {"5", "6"}


def test_the_verifier_decides_whether_answers_differ(make: Make) -> None:
    verifier = MathVerifier()

    def same(one: Prompt, other: Prompt) -> bool:
        return verifier.score([one], [f"\\boxed{{{other.answer}}}"])[0].reward == 1

    rows = [make("What is half of 3?", "\\frac{3}{2}"), make("What is half of 3 ?", "1.5"),
            make("What is half of 5?", "\\frac{5}{2}"), make("What is half of 5 ?", "2")]  # fmt: skip
    assert judged(Exact(same), rows) == ["row1"]
    verifier.close()


def test_other_domains_and_other_tests_of_code_are_no_contradiction(make: Make) -> None:
    rows = [make("Say how far.", "5"), make("Say how far.", "6", domain="science")]
    rows += [make("Write f.", "1", domain="code"), make("Write f.", "2", domain="code")]
    assert judged(Exact(never), rows) == ["row1", "row2", "row3"]


@given(st.sets(st.integers(0, 400)), st.sets(st.integers(0, 400)))
def test_jaccard_is_that_of_the_sets(one: set[int], other: set[int]) -> None:
    union = one | other
    expected = len(one & other) / len(union) if union else 0.0
    assert jaccard(np.array(sorted(one), np.uint32), np.array(sorted(other), np.uint32)) == expected


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 4))
def test_ngrams_are_equal_exactly_where_their_tokens_are(words: list[str], n: int) -> None:
    found = ngrams(words, n).tolist()
    told = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    assert len(found) == len(told)
    assert all((found[i] == found[j]) == (told[i] == told[j]) for i in range(len(told)) for j in range(len(told)))


@pytest.mark.parametrize(("changed", "same"), [
    (TOLD.replace("On Monday", "Last Monday"), True),
    (TOLD.replace("and 5 more", "and also 5 more").replace("regular ", ""), True),
    (TOLD.replace("every one of her", "every one among her"), True),
    (TOLD.replace("every one of her", "each of her"), True),
    (TOLD.replace("12", "13"), False),
    (TOLD.replace("5 more", "five more"), False),
    (TOLD.replace("12 loaves", "12 - loaves"), False),
    ("She sells 12, 7 and 5 of something: what is 12 times 7 plus 5?", False),
])  # fmt: skip
def test_near_duplicates_share_words_and_every_number(make: Make, changed: str, same: bool) -> None:
    rows = [make(TOLD, "89"), make(changed, "89")]
    assert judged(Near(0.7, 128, 0), rows) == (["row1"] if same else ["row1", "row2"])


def test_the_same_story_with_another_answer_or_domain_is_another_problem(make: Make) -> None:
    rows = [make(TOLD, "89"), make(TOLD.replace("How many", "At most how many"), "90")]
    rows += [make(TOLD, "89", domain="science")]
    assert judged(Near(0.7, 128, 0), rows) == ["row1", "row2", "row3"]


def test_a_near_duplicate_names_the_row_it_is_most_like(make: Make) -> None:
    told = [TOLD.replace("baker sells", "old man sells often"), TOLD, TOLD + " Say it."]
    rows = [make(question, "89") for question in told]
    step = Near(0.9, 128, 0)
    (found,) = step.judge(rows).found
    assert (found[0], found[2], found[3].matched) == ("row3", True, "row2")
    assert found[3].score == pytest.approx(jaccard(shingles(told[1]), shingles(told[2])), abs=1e-4)


def variants(make: Make, count: int) -> list[Row]:
    """Rows of which many are alike: a story with some of its words left out."""
    draw = Random(3)
    found = []
    for i in range(count):
        words = TOLD.replace("12", str(12 + i % 3)).split()
        for _ in range(draw.randrange(7)):
            place = draw.randrange(len(words))
            if not words[place][0].isdigit():
                del words[place]
        found.append(make(" ".join(words), "89", id=f"v{i}"))
    return found


@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.85])
def test_it_finds_what_comparing_finds(make: Make, threshold: float) -> None:
    """Of every pair: those less alike never, the others but for a few that are just alike enough."""
    rows, fresh = variants(make, 45), Near(threshold, 128, 0)
    alike = missed = 0
    for i, one in enumerate(rows):
        for other in rows[:i]:
            texts = [row.prompt.question for row in (one, other)]
            similarity = jaccard(*map(shingles, texts)) if len({marks(tokens(text)) for text in texts}) == 1 else 0.0
            found = len(deepcopy(fresh).judge([other, one]).kept) == 1
            assert not found or similarity >= threshold
            alike += similarity >= threshold
            missed += similarity >= threshold and not found
    assert alike > 20
    assert missed <= 0.02 * alike


@pytest.mark.parametrize("step", [lambda: Near(0.7, 128, 5), lambda: Exact(never)])
def test_chunks_change_nothing_and_a_restored_step_goes_on_as_if_it_had_not_ended(
    make: Make, step: Callable[[], Step]
) -> None:
    rows = variants(make, 60) + variants(make, 60)
    whole = judged(step(), rows)
    assert judged(step(), rows, (1, 2, 50)) == whole
    first, second = step(), step()
    first.survey(rows)
    second.survey(rows)
    before = first.judge(rows[:50])
    second.restore(before.kept, before.arrays)
    middle = second.judge(rows[50:90])
    third = step()
    third.survey(rows)
    third.restore(before.kept, before.arrays)
    third.restore(middle.kept, middle.arrays)
    rest = third.judge(rows[90:])
    assert [row.prompt.id for row in (*before.kept, *middle.kept, *rest.kept)] == whole


@pytest.mark.parametrize(("threshold", "permutations"), [(0.0, 128), (1.0, 128), (0.7, 4)])
def test_impossible_settings_are_refused(threshold: float, permutations: int) -> None:
    with pytest.raises(ConfigError, match=r"curation\.near\."):
        Near(threshold, permutations, 0)
