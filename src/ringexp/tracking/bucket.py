"""Make the bucket of a tracking server's artifacts: `python -m ringexp.tracking.bucket`, before it starts.

The variables are the server's own: MLFLOW_ARTIFACTS_DESTINATION (s3://<bucket>), MLFLOW_S3_ENDPOINT_URL, AWS_….
"""

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ringexp.errors import ConfigError, RingexpError


def make_bucket(destination: str, endpoint: str | None) -> bool:
    """Make the bucket of `destination` where it is missing; whether it was.

    Raises:
        ConfigError: the destination is no bucket.
        RingexpError: the store does not answer, or refuses.
    """
    name = destination.removeprefix("s3://").partition("/")[0]
    if not destination.startswith("s3://") or not name:
        raise ConfigError(f"MLFLOW_ARTIFACTS_DESTINATION={destination}: give s3://<bucket>")
    client = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
    try:
        if name in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            return False
        client.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        raise RingexpError(f"bucket {name} at {endpoint or 'AWS'}: {error}; see to MLFLOW_S3_ENDPOINT_URL, "
                           "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error  # fmt: skip
    return True


def main() -> int:
    """The exit status."""
    destination = os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", "")
    try:
        made = make_bucket(destination, os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
    except RingexpError as error:
        print(f"ringexp: {error}", file=sys.stderr)
        return 2
    print(f"ringexp: {destination} {'made' if made else 'is there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
