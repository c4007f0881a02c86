"""Is a tracking server there? Asked once and shortly, before MLflow's own patient client is let loose on it."""

import urllib.error
import urllib.request

from ringexp.errors import RecordError
from ringexp.tracking.secrets import without_credentials

SECONDS = 5.0


def require_reachable(uri: str) -> None:
    """Raise RecordError where nothing answers at an http(s) tracking URI; other URIs pass."""
    if not uri.startswith(("http://", "https://")):
        return
    address = without_credentials(uri)
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=SECONDS).close()
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets us in, MLflow's client will tell
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise RecordError(f"tracking.uri={address}: no tracking server answers there ({reason}); start it, or use "
                          "tracking=sqlite") from error  # fmt: skip
