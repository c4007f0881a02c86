"""Judging beside generation: groups as if judged afterwards, errors of either side, nothing left running."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ringexp.code_tests import FunctionTests
from ringexp.errors import RingexpError
from ringexp.evaluation.judging import collect, grouped
from ringexp.evaluation.run import Evaluator
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.records import Outcome, Prompt, Request, Rollout, Sampling, Verdict
from ringexp.rewards.code import CodeVerifier
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.registry import Verifier, VerifierRegistry
from ringexp.rollout.engine import Finished
from ringexp.rollout.transformers import TransformersEngine

ADD_ONE = FunctionTests("f", "", "def check(f):\n    assert [f(i) for i in range(9)] == [*range(1, 10)]\n").to_json()
ANSWERS = {"math": "0.5", "science": "270 m", "code": ADD_ONE}
TEXTS = [r"\boxed{\frac{1}{2}}", r"\boxed{\sqrt{4}}", r"\boxed{0.27 km}", r"\boxed{270}", r"\boxed{(}", "no box",
         "```python\ndef f(x):\n    return x + 1\n```", "```python\ndef f(x):\n    return x\n```"]  # fmt: skip
LIMIT = 60.0
"""Seconds after which a test's wait is a failure."""


class Scripted:
    """An engine that finishes in a given order, one response after each `pause`; each text is its index."""

    version, alive = 0, True

    def __init__(self, order: Sequence[int], pause: Callable[[int], None] = lambda _: None) -> None:
        self.order, self.pause = order, pause
        self.told = 0

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, finished: Finished | None = None
    ) -> list[Rollout]:
        rollouts = [Rollout(r, (7,), (0.0,), (0,), str(i), False) for i, r in enumerate(requests)]
        for index in self.order:
            self.pause(index)
            if finished is not None:
                finished(index, rollouts[index])
            self.told += 1
        return rollouts


class Even:
    """Even texts are correct; keeps its batches, and runs `before` each."""

    def __init__(self, before: Callable[[Sequence[str]], None] = lambda _: None) -> None:
        self.before = before
        self.batches: list[list[str]] = []

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        self.batches.append(list(texts))
        self.before(texts)
        return [Verdict(Outcome.WRONG if int(text) % 2 else Outcome.CORRECT, text) for text in texts]

    def close(self) -> None: ...


def requests(count: int, samples: int = 4, domains: Sequence[str] = ("math",)) -> list[Request]:
    kinds = [domains[i // samples % len(domains)] for i in range(count)]
    ids = [f"{i // samples}" for i in range(count)]
    return [Request(Prompt(ids[i], kinds[i], "q", ANSWERS[kinds[i]], token_ids=(5, 6 + i // samples % 50)), i, i)
            for i in range(count)]  # fmt: skip


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name == "ringexp-judging"]


@pytest.mark.parametrize("step", [1, 7, 39])
def test_groups_come_in_the_order_of_requests(step: int) -> None:
    order = [i * step % 40 for i in range(40)]
    verifier = Even()
    asked = requests(40)
    found = collect(Scripted(order), verifier, asked, Sampling(), 4).groups
    assert [group.prompt.id for group in found] == [str(i) for i in range(10)]
    assert [rollout.request for group in found for rollout in group.rollouts] == asked
    assert [verdict.detail for group in found for verdict in group.verdicts] == [str(i) for i in range(40)]
    assert [group.rewards for group in found] == [(1, 0, 1, 0)] * 10
    assert sorted(int(text) for batch in verifier.batches for text in batch) == list(range(40))


def test_the_first_are_judged_before_the_last_are_drawn() -> None:
    judged = threading.Event()

    class Telling(Even):
        def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
            verdicts = super().score(prompts, texts)
            judged.set()
            return verdicts

    def pause(index: int) -> None:
        assert index < 7 or judged.wait(LIMIT)

    assert len(collect(Scripted(range(8), pause), Telling(), requests(8), Sampling(), 4).groups) == 2


def test_what_has_come_meanwhile_is_one_batch() -> None:
    """While the first batch is judged 90 responses come; they are one call then, or two where both threads are free."""
    begun, drawn = threading.Event(), threading.Event()

    def pause(index: int) -> None:
        assert index != 10 or begun.wait(LIMIT)
        if index == 99:
            drawn.set()

    def before(texts: Sequence[str]) -> None:
        begun.set()
        assert drawn.wait(LIMIT)

    verifier = Even(before)
    collect(Scripted(range(100), pause), verifier, requests(100), Sampling(), 4)
    assert len(verifier.batches) <= 4
    assert sum(map(len, verifier.batches)) == 100


@pytest.mark.parametrize("bad", [0, 199])
def test_an_error_of_the_verifier_is_raised_promptly(bad: int) -> None:
    """At the first response, the generation ends early; at the last, the error comes instead of the groups."""

    def before(texts: Sequence[str]) -> None:
        if str(bad) in texts:
            raise RingexpError("bubblewrap is gone")

    engine = Scripted(range(200), lambda _: time.sleep(0.01))
    with pytest.raises(RingexpError, match="bubblewrap is gone"):
        collect(engine, Even(before), requests(200), Sampling(), 4)
    assert engine.told < 150 if bad == 0 else engine.told == 200


@pytest.mark.parametrize("error", [RuntimeError("the engine died"), KeyboardInterrupt("the engine died")])
def test_an_error_of_the_engine_ends_the_judging(error: BaseException) -> None:
    """The batch that is being judged is waited for; what waited behind it is not judged."""
    begun = threading.Event()

    def before(texts: Sequence[str]) -> None:
        begun.set()
        time.sleep(0.5)

    def pause(index: int) -> None:
        assert index != 10 or begun.wait(LIMIT)
        if index == 30:
            raise error

    verifier = Even(before)
    with pytest.raises(type(error), match="the engine died"):
        collect(Scripted(range(40), pause), verifier, requests(40), Sampling(), 4)
    assert len(verifier.batches) == 1
    assert len(verifier.batches[0]) <= 10


def test_an_engine_that_tells_of_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        collect(Scripted(range(7)), Even(), requests(8), Sampling(), 4)


def test_seconds_of_generation_and_of_waiting() -> None:
    found = collect(Scripted(range(4), lambda _: time.sleep(0.1)), Even(lambda texts: time.sleep(0.3 * ("3" in texts))),
                    requests(4), Sampling(), 4)  # fmt: skip
    assert found.generation_seconds >= 0.4
    assert found.waiting_seconds >= 0.3
    assert collect(Scripted([]), Even(), [], Sampling(), 4).groups == ()


def code_verifier() -> CodeVerifier:
    try:
        return CodeVerifier()
    except RingexpError as error:
        pytest.skip(str(error))


def verifiers(domains: Sequence[str]) -> VerifierRegistry:
    makers: dict[str, Callable[[], Verifier]] = {
        "math": MathVerifier, "science": lambda: MathVerifier(units=True), "code": code_verifier,
    }  # fmt: skip
    return VerifierRegistry({domain: makers[domain]() for domain in domains})


@pytest.fixture(scope="module")
def engine(make_tiny: Callable[..., BailingMoeForCausalLM], tmp_path_factory: pytest.TempPathFactory
           ) -> Iterator[TransformersEngine]:  # fmt: skip
    """A real engine; the sampled tokens choose among the responses of TEXTS."""
    folder = tmp_path_factory.mktemp("engine")
    make_tiny(0).save_pretrained(folder)
    engine = TransformersEngine(folder, lambda many: [TEXTS[sum(ids) % len(TEXTS)] for ids in many], 1,
                                max_model_len=32, max_sequences=32, threads=1)  # fmt: skip
    yield engine
    engine.close()


@pytest.mark.parametrize("domains", [("math", "science"), ("math", "science", "code")])
def test_real_verifiers_find_what_they_find_afterwards(engine: TransformersEngine, domains: Sequence[str]) -> None:
    """Math-Verify, Pint and the sandbox in the judging thread against the same, new, in this one; twice."""
    asked = requests(120, 4, domains)
    afterwards = verifiers(domains)
    drawn = engine.generate(asked, Sampling(1.0, 12))
    verdicts = afterwards.score([r.request.prompt for r in drawn], [r.text for r in drawn])
    expected = grouped(drawn, verdicts, 4)
    afterwards.close()
    beside = verifiers(domains)
    evaluator = Evaluator(engine, beside)
    for _ in range(2):
        assert list(evaluator.collect(asked, Sampling(1.0, 12), 4).groups) == expected
    beside.close()
    for domain in domains:
        found = {v.outcome for group in expected if group.prompt.domain == domain for v in group.verdicts}
        assert {Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSABLE} <= found


def test_a_sandbox_that_is_gone_is_an_error_and_not_a_reward(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verifier = code_verifier()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RingexpError, match="bubblewrap"):
        Evaluator(engine, verifier).collect(requests(200, 4, ["code"]), Sampling(1.0, 12), 4)
    verifier.close()
