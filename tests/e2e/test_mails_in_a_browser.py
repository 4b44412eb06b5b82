"""Every mail about an account as a person sees it, in Chromium: wide and narrow, in the light and in the dark.

The pictures go to a folder of the test's own; `make screenshots` has them in docs/screenshots.
"""

import pytest
from django.test import Client

from accounts.mail.messages import SUBJECTS
from tests.accounts.factories import AUTH, PASSWORD, USERS, bearer, form, send, success
from tests.accounts.providers.browser import Browser as ProviderBrowser
from tests.accounts.providers.conftest import simulator
from tests.e2e.browser import Browser, chromium, shape_of
from tests.e2e.test_admin_in_a_browser import MOST_BYTES, pictures
from tests.mail_server import MailServer, mail, text_of

__all__ = ["mail", "pictures", "simulator"]
pytestmark = pytest.mark.django_db
WIDTH, HEIGHT = 640, 560
NARROW = 320  # as narrow as a page has to fit in: WCAG 2.2, 1.4.10
ANN, NEW = "ann@example.com", "ann@new.example"
# Whether any text is drawn in the colour of what is behind it.
UNREADABLE = """
return [...document.querySelectorAll('h1, p, a, strong')].filter(element => {
    const style = getComputedStyle(element), behind = element.closest('a')
        ? getComputedStyle(element.closest('a')).backgroundColor : getComputedStyle(document.body).backgroundColor
    return style.color === behind
}).length
"""
FITS = "return document.documentElement.scrollWidth <= window.innerWidth"
LINKS = "return [...document.querySelectorAll('a')].map(link => link.href)"


def everything_mailed(mail: MailServer) -> dict[str, str]:
    """The HTML of a mail of each kind, by its subject: as they come by signing up, forgetting, changing and leaving."""
    http = Client()
    success(send(http, f"{AUTH}/signup", form("ann")), 201)
    success(send(http, f"{AUTH}/email/verify", {"token": mail.token_to(ANN)}))
    success(send(http, f"{AUTH}/password/forgot", {"email": ANN}))
    token = {"token": mail.token_to(ANN), "password": PASSWORD + "!"}
    access = success(send(http, f"{AUTH}/password/reset", token))["accessToken"]
    other = success(send(http, f"{AUTH}/signup", form("bob", email="bob@example.com")), 201)["accessToken"]
    success(send(http, f"{USERS}/me", {"email": ANN}, method="PATCH", **bearer(other)))
    success(send(http, f"{USERS}/me", {"email": NEW}, method="PATCH", **bearer(access)))
    success(send(http, f"{AUTH}/email/verify", {"token": mail.token_to(NEW)}))
    provider = ProviderBrowser("google")
    success(provider.link(access))
    provider.close()
    mail.send_queued()
    success(send(http, f"{USERS}/me", {"password": PASSWORD + "!"}, method="DELETE", **bearer(access)))
    mail.send_queued()
    return {each["Subject"].removeprefix("THISTHAT: "): text_of(each, "html") for each in mail.received}


def test_every_mail_is_whole_and_asks_nothing_of_anybody(mail, simulator, pictures, var_dir, settings):
    settings.FRONTEND_URL = "https://www.example.com"
    mailed = everything_mailed(mail)
    assert set(mailed) == set(SUBJECTS.values())
    var_dir.mkdir(exist_ok=True)
    with chromium(var_dir) as browser:
        for kind, subject in SUBJECTS.items():
            page = var_dir / f"{kind}.html"
            page.write_text(mailed[subject])
            browser.traffic()
            for scheme in ("dark", "light"):
                browser.prefer(scheme)
                browser.resize(NARROW, HEIGHT)
                browser.go(page.as_uri())
                check(browser, subject)
            assert browser.traffic()[0] == {page.as_uri()}
            browser.resize(WIDTH, HEIGHT)
            image = browser.picture(pictures / f"mail_{kind}.png")
            width, height, rows = shape_of(image)
            assert (width, height) == (WIDTH, HEIGHT)
            assert rows > HEIGHT / 10, "It is blank."
            assert len(image) < MOST_BYTES


def check(browser: Browser, subject: str) -> None:
    """It says what it is about, fits, can be read, and leads to the frontend alone."""
    assert browser.run("return document.title") == f"THISTHAT: {subject}"
    assert browser.run(FITS), subject
    assert browser.run(UNREADABLE) == 0, subject
    links = browser.run(LINKS)
    assert links
    assert all(link.startswith("https://www.example.com/") for link in links), links
