"""The bucket of a tracking server's artifacts, in an S3 endpoint that runs here."""

from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="no moto here (of the dev extra)")

from moto.server import ThreadedMotoServer

from ringexp.errors import ConfigError, RingexpError
from ringexp.tracking.bucket import main, make_bucket


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "us-east-1"),
                        ("MAX_ATTEMPTS", "1")):  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


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
