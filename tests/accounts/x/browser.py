"""A person's browser: keeps cookies, follows nothing by itself, and never leaves this machine."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import requests


class _HiddenFields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"]] = given["value"]


class Browser:
    def __init__(self, service: str) -> None:
        self._service = service
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = "A browser"

    def close(self) -> None:
        self._session.close()

    @property
    def cookies(self) -> requests.cookies.RequestsCookieJar:
        return self._session.cookies

    def get(self, url: str, **options) -> requests.Response:
        return self._session.get(url, allow_redirects=False, timeout=30, **options)

    def head(self, url: str) -> requests.Response:
        return self._session.head(url, allow_redirects=False, timeout=30)

    def start(self, query: str = "", **options) -> requests.Response:
        return self.get(f"{self._service}/api/v1/auth/x{query}", **options)

    def choose(self, x_page: str, **choice: str) -> str:
        """On X's page, what the person does. Returns where X sends the browser back to."""
        page = self.get(x_page)
        assert page.status_code == 200, page.text
        parser = _HiddenFields()
        parser.feed(page.text)
        response = self._session.post(x_page.partition("?")[0], data=parser.fields | choice, allow_redirects=False)
        assert response.status_code == 302, response.text
        return response.headers["Location"]

    def back_from_x(self, query: str = "", **choice: str) -> str:
        """The callback's address after a choice on X's page, not yet opened."""
        started = self.start(query)
        assert started.status_code == 302, started.text
        return self.choose(started.headers["Location"], **choice)

    def sign_in(self, query: str = "", **choice: str) -> requests.Response:
        """The whole way: what the callback answered."""
        return self.get(self.back_from_x(query, **choice))

    def me(self, access_token: str) -> requests.Response:
        return self.get(f"{self._service}/api/v1/auth/me", headers={"Authorization": f"Bearer {access_token}"})

    def edit(self, access_token: str, **fields: str) -> None:
        """Edit the profile."""
        headers = {"Authorization": f"Bearer {access_token}"}
        response = self._session.patch(f"{self._service}/api/v1/users/me", json=fields, headers=headers, timeout=30)
        assert response.status_code == 200, response.text

    def callback(self, query: str, **options) -> requests.Response:
        return self.get(f"{self._service}/api/v1/auth/x/callback{query}", **options)


def told(response: requests.Response) -> dict[str, str]:
    """The query of the address that the browser is sent to."""
    assert response.status_code == 302, response.text
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def target(response: requests.Response) -> str:
    """That address without its query."""
    assert response.status_code == 302, response.text
    return response.headers["Location"].partition("?")[0]
