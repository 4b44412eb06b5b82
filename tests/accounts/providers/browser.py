"""A person's browser: keeps cookies, follows nothing by itself, and never leaves this machine."""

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from django.test import Client

from tests.accounts.factories import success

API = "/api/v1"


class _HiddenFields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"]] = given["value"]


class Browser:
    """Asks the service in this process, or over HTTP where it is given an address; the provider always over HTTP."""

    def __init__(self, provider: str, service: str = "") -> None:
        self._provider = provider
        self._service = service
        self._http = Client(raise_request_exception=False, SERVER_NAME="localhost", HTTP_USER_AGENT="A browser")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = "A browser"

    def close(self) -> None:
        self._session.close()

    @property
    def cookie(self) -> str:
        """The one cookie's value."""
        (cookie,) = [*self._session.cookies, *self._http.cookies.values()]
        return cookie.value

    def get(self, url: str, *, method: str = "GET", **options: Any) -> Any:
        parts = urlsplit(url)
        if self._service or parts.netloc not in ("", "localhost"):
            return self._session.request(
                method, self._service + url if url[0] == "/" else url, allow_redirects=False, timeout=30, **options
            )
        return self._http.generic(method, parts.path, QUERY_STRING=parts.query, **options)

    def start(self, query: str = "", **options: Any) -> Any:
        return self.get(f"{API}/auth/{self._provider}{query}", **options)

    def choose(self, page_url: str, **choice: str) -> str:
        """On the provider's page, what the person does. Returns where it sends the browser back to."""
        page = self._session.get(page_url, allow_redirects=False, timeout=30)
        assert page.status_code == 200, page.text
        parser = _HiddenFields()
        parser.feed(page.text)
        response = self._session.post(page_url.partition("?")[0], data=parser.fields | choice, allow_redirects=False)
        assert response.status_code == 302, response.text
        return response.headers["Location"]

    def back(self, query: str = "", **choice: str) -> str:
        """The callback's address after a choice on the provider's page, not yet opened."""
        started = self.start(query)
        assert started.status_code == 302, started.text
        return self.choose(started.headers["Location"], **choice)

    def sign_in(self, query: str = "", **choice: str) -> Any:
        """The whole way: what the callback answered."""
        return self.get(self.back(query, **choice))

    def callback(self, query: str, **options: Any) -> Any:
        return self.get(f"{API}/auth/{self._provider}/callback{query}", **options)

    def send(self, path: str, body: dict | None = None, *, token: str = "", method: str = "POST") -> Any:
        """What a frontend in this browser asks for by itself."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._http.generic(
            method, f"{API}{path}", b"" if body is None else _json(body), "application/json", headers=headers
        )

    def begin(self, **body: str) -> dict[str, Any]:
        """Begin a sign-in that the frontend may finish."""
        return success(self.send(f"/auth/{self._provider}", body))

    def finish(self, finish_code: str, handed_on: dict[str, str]) -> Any:
        body = {"finishCode": finish_code, "code": handed_on["code"], "state": handed_on["state"]}
        return self.send(f"/auth/{self._provider}/finish", body)

    def me(self, token: str) -> Any:
        return self.get(f"{API}/auth/me", headers={"Authorization": f"Bearer {token}"})

    def edit(self, token: str, **fields: str) -> None:
        """Edit the profile."""
        success(self.send("/users/me", fields, token=token, method="PATCH"))

    def link(self, token: str, **choice: str) -> Any:
        """Link an account, the whole way: what finishing answered."""
        begun = success(self.send(f"/users/me/connections/{self._provider}", token=token))
        back = self.get(self.choose(begun["url"], **choice))
        return self.finish_linking(token, begun["finishCode"], told(back))

    def finish_linking(self, token: str, finish_code: str, handed_on: dict[str, str]) -> Any:
        body = {"finishCode": finish_code, "code": handed_on["code"], "state": handed_on["state"]}
        return self.send(f"/users/me/connections/{self._provider}/finish", body, token=token)

    def unlink(self, token: str) -> Any:
        return self.send(f"/users/me/connections/{self._provider}", token=token, method="DELETE")

    def connections(self, token: str) -> dict[str, Any]:
        return success(self.send("/users/me/connections", token=token, method="GET"))


def _json(body: dict) -> bytes:
    return json.dumps(body).encode()


def told(response: Any) -> dict[str, str]:
    """The query of the address that the browser is sent to."""
    assert response.status_code == 302, response.content
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def target(response: Any) -> str:
    """That address without its query."""
    assert response.status_code == 302, response.content
    return response.headers["Location"].partition("?")[0]


def set_cookie(response: Any) -> str:
    """What the response says of its cookie."""
    return response.cookies.output(header="").strip()
