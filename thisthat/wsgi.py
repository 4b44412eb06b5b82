"""The WSGI entry point of the web server."""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application

from core.rules import MAX_BODY_BYTES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thisthat.settings")
django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Call Django with the length of a chunked body, which it would otherwise take for an empty one.

    One byte more than may be sent is read, so that what is too large is still refused as such.
    """
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked" and not environ.get("CONTENT_LENGTH"):
        body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
        environ["CONTENT_LENGTH"], environ["wsgi.input"] = str(len(body)), BytesIO(body)
    return django(environ, start_response)
