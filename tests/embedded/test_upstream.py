import socket
import time

from thisthat.embedded import upstream


def test_an_address_that_refuses_is_unreachable():
    assert not upstream.is_reachable("http://127.0.0.1:1")


def test_an_address_that_is_none_is_unreachable():
    for url in ("nonsense", "", "http://", "http://127.0.0.1:99999", "ftp://127.0.0.1:1"):
        assert not upstream.is_reachable(url, seconds=1)


def test_an_upstream_that_never_answers_is_given_up_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        assert not upstream.is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.5)
        assert time.monotonic() - started < 2


def test_a_port_in_use_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not upstream.is_port_free("127.0.0.1", port)
        assert upstream.listens(port)
    assert upstream.is_port_free("127.0.0.1", port)
    assert not upstream.listens(port)
