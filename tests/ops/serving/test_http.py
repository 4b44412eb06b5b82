"""One connection: well-formed HTTP/1.1, and malformed requests."""

import json
import socket
import struct
import time
from io import BytesIO
from urllib.parse import quote

import pytest
from django.core.handlers.wsgi import WSGIHandler

from ops.serving.asgi import environ_of, overloaded, run
from ops.serving.service import DjangoService
from tests.ops.serving.application import MAX_BODY_BYTES
from tests.ops.serving.conftest import Server, get


def post(body: bytes, path: str = "/echo", **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes) -> bytes:
    head = b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


def test_a_path_beyond_ascii_is_the_same_to_all_who_read_it(settings, tmp_path):
    """The event loop looks at a request first, then a thread serves it, and what takes too long is refused."""
    settings.STATIC_ROOT = str(tmp_path)
    service = DjangoService(WSGIHandler())
    path = "/api/v1/users/caf\u00e9-\u4e16"
    environ = environ_of(
        {"method": "GET", "raw_path": quote(path).encode(), "query_string": b"", "http_version": "1.1", "headers": []}
    )
    environ |= {"wsgi.input": BytesIO(), "HTTP_HOST": "localhost"}
    assert service.respond_directly(environ) is None
    assert json.loads(run(service.wsgi, environ).body)["code"] == "invalid_id"
    assert service.refuse(environ, overloaded()).status == 503


class TestRequests:
    def test_the_application_is_told_what_was_sent(self, server):
        found = json.loads(server.ask("/a%20b%C3%A9?x=%20&y", "POST", b"text", Cookie="a=1", X_Y="dropped").body)
        assert found["path"] == "/a b\u00c3\u00a9"
        assert (found["query"], found["method"], found["body"]) == ("x=%20&y", "POST", "text")
        assert found["headers"]["CONTENT_LENGTH"] == "4"
        assert "HTTP_X_Y" not in found["headers"]

    def test_headers_that_come_twice_are_joined(self, server):
        with server.connect(
            b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\n\r\n"
        ) as client:
            headers = json.loads(client.response().body)["headers"]
        assert headers["HTTP_COOKIE"] == "a=1; b=2"
        assert headers["HTTP_X_A"] == "1,2"

    def test_a_body_in_chunks_arrives_whole_and_has_a_length(self, server):
        with server.connect(chunked(b"one", b"two")) as client:
            found = json.loads(client.response().body)
        assert found["body"] == "onetwo"
        assert found["headers"]["CONTENT_LENGTH"] == "6"
        assert "HTTP_TRANSFER_ENCODING" not in found["headers"]

    def test_a_body_in_chunks_of_a_byte_sent_byte_by_byte(self, server):
        with server.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in chunked(*[b"x"] * 50):
                client.send(bytes([byte]))
            assert json.loads(client.response().body)["body"] == "x" * 50

    def test_a_client_that_waits_for_it_is_told_to_continue(self, server):
        head = post(b"x" * 10, Expect="100-continue")[:-10]
        with server.connect(head) as client:
            assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"y" * 10)
            assert json.loads(client.response().body)["body"] == "y" * 10

    def test_an_absolute_address_is_its_path(self, server):
        with server.connect(b"GET http://test/a?b HTTP/1.1\r\nHost: test\r\n\r\n") as client:
            found = json.loads(client.response().body)
        assert (found["path"], found["query"]) == ("/a", "b")

    def test_an_upgrade_is_answered_as_if_it_wasnt_asked_for(self, server):
        request = b"GET /echo HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        with server.connect(request) as client:
            assert client.response().status == 200


class TestResponses:
    @pytest.mark.parametrize("path", ["/health", "/bytes/1000"])
    def test_a_response_to_head_has_the_length_and_no_body(self, server, path):
        with server.connect(f"HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode() + get("/bytes/3")) as client:
            assert int(client.response("HEAD").headers["content-length"]) > 10
            assert client.response().body == b"xxx"

    @pytest.mark.parametrize("status", [204, 304])
    def test_without_a_body_have_none(self, server, status):
        with server.connect(get(f"/status/{status}") + get("/bytes/3")) as client:
            response = client.response()
            assert (response.status, response.headers.get("content-length")) == (status, None)
            assert client.response().body == b"xxx"

    def test_have_a_date_and_a_length(self, server):
        response = server.ask("/bytes/12345")
        assert response.getheader("Content-Length") == "12345"
        assert response.getheader("Date").endswith("GMT")

    def test_a_response_to_http_1_0_ends_the_connection(self, server):
        with server.connect(b"GET /health HTTP/1.0\r\n\r\n") as client:
            assert b"connection: close" in client.rest()

    def test_end_the_connection_when_asked(self, server):
        with server.connect(b"GET /bytes/5 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n") as client:
            assert client.rest().endswith(b"connection: close\r\n\r\nxxxxx")


class TestPipelining:
    def test_responses_come_in_order_each_with_its_own_body(self, server):
        sizes = [7, 100_000, 0, 31, 5_000, 1]
        sent = b"".join(get(f"/bytes/{size}") + post(b"b" * min(size, 60_000)) + get("/health") for size in sizes)
        with server.connect(sent) as client:
            for size in sizes:
                assert len(client.response().body) == size
                assert json.loads(client.response().body)["body"] == "b" * min(size, 60_000)
                assert json.loads(client.response().body)["status"] == "ok"

    def test_hundreds_at_once_are_answered_one_after_the_other(self, server):
        with server.connect(get("/bytes/1") * 500) as client:
            assert [client.response().body for _ in range(500)] == [b"x"] * 500

    def test_what_follows_a_broken_request_is_no_request(self, server):
        with server.connect(get("/bytes/3") + b"GET / HTTP/1.1\r\nHost a\r\n\r\n" + get("/bytes/7")) as client:
            received = client.rest()
        assert received.count(b"HTTP/1.1") == 1
        assert received.endswith(b"connection: close\r\n\r\nxxx")


class TestRefused:
    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ],
    )
    def test_a_request_that_could_be_read_in_two_ways(self, server, request_bytes):
        with server.connect(request_bytes) as client:
            received = client.rest()
        assert received.startswith(b"HTTP/1.1 400 ")
        assert received.count(b"HTTP/1.1") == 1
        assert b"connection: close" in received

    @pytest.mark.parametrize(
        "head",
        [
            b"GET /" + b"x" * 100_000,
            b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
        ],
    )
    def test_headers_that_are_too_large(self, server, head):
        with server.connect(head) as client:
            assert client.rest().startswith(b"HTTP/1.1 431 ")

    def test_a_body_that_says_it_is_too_large_before_it_is_sent(self, server):
        head = f"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
        with server.connect(head) as client:
            assert client.response().status == 413

    @pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 3_000_000])
    def test_a_body_that_is_too_large_though_it_keeps_coming(self, server, size):
        with server.connect(post(b"x" * size)) as client:
            assert json.loads(client.response().body)["code"] == "payload_too_large"
        with server.connect(chunked(*[b"x" * 8_000] * (size // 8_000 + 1))) as client:
            assert json.loads(client.response().body)["code"] == "payload_too_large"

    def test_a_body_of_the_largest_size_is_none(self, server):
        with server.connect(post(b"x" * MAX_BODY_BYTES)) as client:
            assert len(json.loads(client.response().body)["body"]) == MAX_BODY_BYTES


class TestClientsThatGo:
    def test_in_the_middle_of_anything_leave_the_server_well(self, server):
        for sent in (
            b"",
            b"GET",
            post(b"x" * 100)[:-50],
            get("/sleep/0.1"),
            get("/bytes/5000000"),
            chunked(b"x")[:-3],
        ):
            for _ in range(5):
                client = server.connect(sent)
                # Reset instead of an orderly end.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                time.sleep(0.01)
                client.close()
        assert server.ask("/bytes/10").body == b"x" * 10

    def test_while_their_request_waits_dont_get_a_thread(self, server):
        before = json.loads(server.ask("/seen").body)["seen"]
        busy = [server.connect(get("/sleep/0.5")) for _ in range(2)]
        gone = [server.connect(get("/sleep/0")) for _ in range(20)]
        time.sleep(0.1)
        for client in gone:
            client.close()
        for client in busy:
            assert client.response().status == 200
            client.close()
        assert json.loads(server.ask("/seen").body)["seen"] == before + 2

    def test_while_their_request_runs_dont_stop_it(self, server):
        before = json.loads(server.ask("/seen").body)["seen"]
        client = server.connect(get("/sleep/0.3"))
        time.sleep(0.1)
        client.close()
        time.sleep(0.4)
        assert json.loads(server.ask("/seen").body)["seen"] == before + 1

    def test_with_requests_waiting_behind_the_one_that_is_served_are_no_error(self, tmp_path):
        with (tmp_path / "errors").open("w+b") as errors:
            server = Server(errors=errors)
            for _ in range(20):
                client = server.connect(get("/bytes/5000000") * 3, receive_buffer=4096)
                time.sleep(0.05)
                client.close()
            assert server.ask("/bytes/10").status == 200
            server.stop()
            errors.seek(0)
            assert errors.read() == b""
