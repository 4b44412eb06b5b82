"""With the database away requests are told so in bounded time, and when it is back they are served, without a restart."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from devtools.embedded import postgres
from tests.core.service_process import ask
from tests.ops.servers import Web, crash


def sign_up(web, name):
    body = {"username": name, "email": f"{name}@example.com", "name": name, "password": "correct horse battery"}
    return web.post("/api/v1/auth/signup", body)


def is_told_to_try_again(response):
    assert response.status == 503
    assert response.json().keys() == {"success", "error", "code"}
    assert response.json()["code"] == "try_again"
    assert int(response.headers["retry-after"]) >= 1
    assert response.seconds < 10
    return True


def test_a_server_that_crashes_and_comes_back_is_served_from_without_a_restart(folder, database_server, running):
    web = running(Web, DATABASE_URL=database_server.url, PUBLIC_CACHE_SECONDS="0")
    ann = sign_up(web, "ann").json()
    bearer = {"Authorization": f"Bearer {ann['accessToken']}"}
    assert web.get("/api/v1/auth/me", **bearer).status == 200

    crash(folder)
    for _ in range(3):
        assert is_told_to_try_again(web.get("/api/v1/markets"))
        assert is_told_to_try_again(web.get("/api/v1/auth/me", **bearer))
        assert is_told_to_try_again(sign_up(web, "bea"))
    assert web.get("/health").status == 200
    assert web.get("/ready").json()["checks"]["database"] == "unavailable"

    again = postgres.start(folder)
    try:
        # The very next requests: each thread of the server has a connection that died.
        with ThreadPoolExecutor(8) as at_once:
            responses = list(at_once.map(lambda _: web.get("/api/v1/auth/me", **bearer), range(40)))
        assert {response.status for response in responses} == {200}
        assert sign_up(web, "cem").status == 201
        assert web.get("/ready").json()["checks"]["database"] == "ok"
        assert web.said("Traceback") == 0
    finally:
        again.stop()


def test_a_server_that_takes_connections_and_never_responds_holds_up_one_request_and_not_all():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        started = time.monotonic()
        conversation = ask(*["/api/v1/markets"] * 20, DATABASE_URL=url)
    # Each for itself would wait three seconds.
    assert time.monotonic() - started < 30
    assert all(is_told_to_try_again(response) for response in conversation.responses)
    assert conversation.log.count("the database is away") == 1
