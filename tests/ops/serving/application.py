"""An application for the web server's own tests, with the service's own server and buffering.

What it does is in the path: `/sleep/0.2` works that long, `/bytes/1000` responds with as many, `/echo` with what it was
sent, `/seen` with how often `/sleep` ran to its end. Limits come as JSON in LIMITS.
"""

import json
import os
import threading
import time

from ops.serving.asgi import BufferedApplication, Limits, encode
from ops.serving.threads import Lane

MAX_BODY_BYTES = 64 * 1024
THREADS = 2


class TestedService:
    __test__ = False

    def __init__(self):
        self.seen = 0
        self.lock = threading.Lock()

    def lane(self, environ):
        return Lane.MONEY if environ["REQUEST_METHOD"] == "POST" else Lane.ORDINARY

    def is_system(self, environ):
        return environ["PATH_INFO"] == "/ready"

    def max_body_bytes(self, environ):
        return MAX_BODY_BYTES

    def respond_directly(self, environ):
        return json_response(200, {"status": "ok", "pid": os.getpid()}) if environ["PATH_INFO"] == "/health" else None

    def refuse(self, environ, error):
        headers = {"Retry-After": "1"} if error.retry_after else {}
        return json_response(error.status, {"code": error.code}, **headers)

    def is_stream(self, environ):
        return False

    def stop(self):
        pass

    def wsgi(self, environ, start_response):
        action, _, argument = environ["PATH_INFO"].strip("/").partition("/")
        if action == "sleep":
            time.sleep(float(argument))
            with self.lock:
                self.seen += 1
        if action == "bytes":
            start_response("200 OK", [("Content-Length", argument)])
            return [b"x" * int(argument)]
        if action == "status":
            start_response(f"{argument} Some", [])
            return []
        headers = {name: value for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_"))}
        found = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "body": environ["wsgi.input"].read().decode("latin-1"),
            "seen": self.seen,
            "headers": headers,
        }
        body = json.dumps(found).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def json_response(status, content, **headers):
    body = json.dumps(content).encode()
    sent = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return encode(status, [*sent, *((name.replace("_", "-"), text) for name, text in headers.items())], body)


application = BufferedApplication(
    TestedService(), Limits(**{"threads": THREADS} | json.loads(os.environ.get("LIMITS", "{}")))
)
