"""`make ui`: the MLflow UI over a local store, on loopback, with the links of the prepared pages."""

import os
import socket
import sys
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from ringexp.errors import RecordError
from ringexp.tracking.views import TAG_PREFIX, VIEW, link

HOST = "127.0.0.1"


def database(store: Path) -> str:
    """The tracking URI of the store in a folder. Raises RecordError where there is none."""
    file = store / "mlflow.db"
    if not file.is_file():
        raise RecordError(f"STORE={store}: no runs there ({file} does not exist); name the folder that ringexp's "
                          "paths.store named, e.g. make ui STORE=runs")  # fmt: skip
    return f"sqlite:///{file}"


def require_free(port: int) -> None:
    """Raise RecordError where the port is another program's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RecordError(f"PORT={port}: {error.strerror}; give another, e.g. make ui PORT={port + 1}") from error


def links(uri: str, address: str) -> list[str]:
    """A line for each experiment that has the prepared view, the last one worked on first."""
    try:
        experiments = MlflowClient(uri).search_experiments(order_by=["last_update_time DESC"])
    except (MlflowException, SQLAlchemyError) as error:
        raise RecordError(f"{uri}: not a store that MLflow can read ({str(error).splitlines()[0]})") from error
    return [f"{experiment.name}: {link(address, experiment.experiment_id)}" for experiment in experiments
            if TAG_PREFIX + VIEW in experiment.tags]  # fmt: skip


def main(store: str, port: int) -> None:
    """Say where the UI is, then become it."""
    uri, address = database(Path(store)), f"http://{HOST}:{port}"
    require_free(port)
    found = links(uri, address)
    print("\n  ".join([f"MLflow's UI: {address} (Ctrl+C ends it); pipelines compared:" if found else
                       f"MLflow's UI: {address} (Ctrl+C ends it)", *found]), flush=True)  # fmt: skip
    command = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", HOST, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except RecordError as problem:
        print(f"ringexp: {problem}", file=sys.stderr)
        sys.exit(2)
