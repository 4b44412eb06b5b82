"""The web server's health check, a program of its own on the standard library: it starts fast and needs no settings.

Asks under the first of the service's own names, for it responds to no other.
"""

import os
import sys
import urllib.request

SECONDS = 4


def main() -> int:
    name = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip("*. ") or "localhost"
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/health"
    request = urllib.request.Request(url, headers={"Host": name})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(request, timeout=SECONDS).close()
    except OSError as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - what the container's engine shows
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
