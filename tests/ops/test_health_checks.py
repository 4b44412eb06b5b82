"""The web server's health check reports the state of a real server."""

from devtools.simulators.start import free_port
from tests.core.service_process import run
from tests.ops.servers import Web

CHECK = ["-m", "ops.processes", "web_alive"]


def test_the_web_servers_check_succeeds_while_it_responds_to_its_first_name(database, running):
    names = "api.example.com,127.0.0.1"
    web = running(Web, DATABASE_URL=database, ALLOWED_HOSTS=names)
    port = web.base.rsplit(":", 1)[1]
    assert run(CHECK, {"PORT": port, "ALLOWED_HOSTS": names}).returncode == 0
    assert run(CHECK, {"PORT": port, "ALLOWED_HOSTS": "somebody.else.example"}).returncode == 1
    web.stop()
    assert run(CHECK, {"PORT": port, "ALLOWED_HOSTS": names}).returncode == 1


def test_it_fails_where_nothing_listens_in_one_line():
    ended = run(
        CHECK, {"PORT": str(free_port()), "ALLOWED_HOSTS": "api.example.com", "http_proxy": "http://127.0.0.1:1"}
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
