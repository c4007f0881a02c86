"""Passwords, tokens and keys never stand in what is recorded; everything else does, unchanged."""

import os
import threading

import pytest

from ringexp.tracking.secrets import is_secret, scrub, scrub_tree, without_credentials


@pytest.mark.parametrize(("text", "clean"), [
    ("postgresql://me:hunter22@db:5432/x", "postgresql://me:***@db:5432/x"),
    ("see http://u:p@ss@host/path and more", "see http://u:***@host/path and more"),
    ("s3://bucket/key?X-Amz-Signature=abcdef&part=1", "s3://bucket/key?X-Amz-Signature=***&part=1"),
    ("ringexp tracking.password=hunter22 seed=1", "ringexp tracking.password=*** seed=1"),
    ("HF_TOKEN: 'hf_abc'", "HF_TOKEN: '***'"),
    ("+    api_key = \"sk-123\"", "+    api_key = \"***\""),
])  # fmt: skip
def test_texts(text: str, clean: str) -> None:
    assert scrub(text) == clean
    assert scrub(clean) == clean


@pytest.mark.parametrize("text", [
    "data.max_response_tokens=72 algorithm.token_budget=15360", "def tokens_per_second(x): return x",
    "model.tokenizer.path=x eos_token=<end> budget/tokens: 15360.0",
    "sqlite:///runs/mlflow.db at http://127.0.0.1:5000",
])  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_the_values_of_secret_variables_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "0123456789")
    monkeypatch.setenv("MY_TOKEN", "ab")  # too short to be looked for: it would stand in every other word
    assert scrub("x0123456789abcdefy and 0123456789z, about") == "x***y and ***z, about"


def test_a_configuration_keeps_its_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    tree = {"tracking": {"uri": "http://u:secret99@h/", "token": "abc", "patience": 600.0},
            "algorithm": {"token_budget": 400}, "list": ["a", {"password": "x", "n": 1}],
            "note": "it is hunter22", "empty": {"secret": ""}}  # fmt: skip
    assert scrub_tree(tree) == {
        "tracking": {"uri": "http://u:***@h/", "token": "***", "patience": 600.0}, "algorithm": {"token_budget": 400},
        "list": ["a", {"password": "***", "n": 1}], "note": "it is ***", "empty": {"secret": ""},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["token", "hf_token", "MLFLOW_TRACKING_TOKEN", "password", "client_secret", "api-key",
                                  "AWS_SECRET_ACCESS_KEY", "a.b.credentials", "apikey", "access_tokens"])  # fmt: skip
def test_secret_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["tokenizer", "token_budget", "eos_token_id", "tokens_per_second", "author", "key",
                                  "algorithm.normaliser", "token_ids", "monkey"])  # fmt: skip
def test_other_names(name: str) -> None:
    assert not is_secret(name)


def test_an_address_is_shown_without_user_and_password() -> None:
    assert without_credentials("http://u:p@h:1/x") == "http://h:1/x"
    assert without_credentials("sqlite:///runs/mlflow.db") == "sqlite:///runs/mlflow.db"


def test_a_variable_that_another_thread_unsets_is_no_error() -> None:
    name, over = "RINGEXP_TEST_SESSION_ID", threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            os.environ[name] = "here"
            del os.environ[name]

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        assert {scrub("nothing to hide") for _ in range(3000)} == {"nothing to hide"}
    finally:
        over.set()
        thread.join()
