"""A real SMTP server on loopback, and what it received."""

import email
import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.controller import Controller
from django.db.models import F
from django.utils import timezone

from accounts.mail import queue
from accounts.models import Mail
from devtools.simulators.start import free_port

LINK = re.compile(r"https?://\S+\?token=\S+")


class MailServer:
    """Accepts every mail, unless `replies` has a reply for its address; `received` has them, the oldest first."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.replies: dict[str, str] = {}
        self.port = free_port()
        self.start()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"

    def start(self) -> None:
        """Listen, again if it was stopped; on the same port."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    def send_queued(self) -> dict[str, Any]:
        """Do what the periodic job does, and return its summary."""
        return queue.send_due(now=timezone.now())

    def time_passes(self) -> None:
        """Let mails that couldn't be sent be due again, and a server that was away be tried."""
        Mail.objects.filter(status=Mail.Status.QUEUED).update(next_attempt_at=F("created_at"))
        queue._breaker.record_success()

    def subjects_to(self, address: str) -> list[str]:
        return [message["Subject"].removeprefix("THISTHAT: ") for message in self.to(address)]

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.received if message["To"] == address]

    def token_to(self, address: str) -> str:
        """Return the token of the link in the newest mail to the address, once what is queued was sent."""
        self.send_queued()
        newest = [link for message in self.to(address) for link in LINK.findall(text_of(message))][-1]
        return parse_qs(urlsplit(newest).query)["token"][0]


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@contextmanager
def mail_server(settings: Any) -> Iterator[MailServer]:
    """A running server, which mail is sent through meanwhile."""
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    queue._breaker.record_success()
    try:
        yield server
    finally:
        server.stop()
        queue._breaker.record_success()


@pytest.fixture
def mail(settings) -> Iterator[MailServer]:
    with mail_server(settings) as server:
        yield server
