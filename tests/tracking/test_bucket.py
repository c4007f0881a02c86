"""The bucket of a tracking server's artifacts, in an S3 endpoint that runs here."""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from ringexp.errors import ConfigError, RingexpError
from ringexp.tracking.bucket import main, make_bucket

if importlib.util.find_spec("moto") is None:
    pytest.skip("no moto here (of the dev extra)", allow_module_level=True)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "us-east-1"),
                        ("MAX_ATTEMPTS", "1")):  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # in a process of its own: it imports Flask, whose globals vLLM cannot look at
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert server.poll() is None
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


def test_it_is_made_once(endpoint: str) -> None:
    assert make_bucket("s3://mlflow/artifacts", endpoint)
    assert not make_bucket("s3://mlflow", endpoint)
    assert make_bucket("s3://other", endpoint)


def test_what_is_wrong_is_one_line(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for destination in ("", "mlflow", "s3://", "file:///mlflow"):
        with pytest.raises(ConfigError, match="give s3://<bucket>"):
            make_bucket(destination, endpoint)
    with pytest.raises(RingexpError, match=r"bucket mlflow at http://127\.0\.0\.1:1: .*MLFLOW_S3_ENDPOINT_URL"):
        make_bucket("s3://mlflow", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", "mlflow")
    assert main() == 2
    assert capsys.readouterr().err == "ringexp: MLFLOW_ARTIFACTS_DESTINATION=mlflow: give s3://<bucket>\n"
