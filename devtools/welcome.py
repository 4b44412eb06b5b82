"""The page at `/` in development: what this is, a demo account, markets to bet on, and what happens meanwhile.

It bets by the public API, as a frontend does. Only what no API is for has a view here: the ready account, the events,
and deciding a market of the simulator at once.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.authentication import client_of
from accounts.errors import EmailTaken, UsernameTaken
from accounts.mail.messages import compose
from accounts.models import Mail, User
from accounts.services import sign_in, sign_up
from accounts.tokens import Client
from betting.models import Bet, BetSale, Settlement
from core.api.errors import DomainError
from core.api.requests import parse_uuid
from core.api.responses import json_response
from economy.stocks.models import StockTransaction
from markets.errors import PolymarketUnavailable
from markets.models import Market, MarketTerms
from markets.polymarket.client import job_client
from markets.resolution.job import Candidate, check_markets

USERNAME, EMAIL, PASSWORD = "demo", "demo@demo.example", "a sentence for the demo"
EVENTS, MAILS = 30, 5
LINK = re.compile(r"\S+\?token=\S+")
CONTROL_SECONDS = 3
OUTCOMES = {"this": "this", "that": "that", "tie": "50-50"}


class NoSimulator(DomainError):
    code = "no_simulator"
    status = 404
    message = "Only markets of the simulator can be decided here."


def simulator_url() -> str:
    """Return where the simulator is that markets come from; empty where they come from Polymarket."""
    url: str = settings.POLYMARKET_GAMMA_URL
    return url if urlsplit(url).hostname == "127.0.0.1" else ""


@csrf_exempt
def page(request: HttpRequest) -> HttpResponse:
    """Return the page. For other methods there is nothing, as in production."""
    if request.method not in ("GET", "HEAD"):
        raise Http404
    ensure_demo_account()
    base = f"{request.scheme}://{request.get_host()}"
    context = {"base": base, "simulator": simulator_url(), "email": EMAIL, "password": PASSWORD}
    context["frontend"] = settings.FRONTEND_URL
    response = render(request, "devtools/welcome.html", context)
    response["Cache-Control"] = "no-store"
    return response


def ensure_demo_account() -> User:
    if user := User.objects.with_email(EMAIL).first():
        return user
    # Of two pages that are opened at once, one is late; and somebody may have taken the username.
    for username in (USERNAME, f"{USERNAME}_{secrets.token_hex(4)}"):
        client = Client("welcome page", None)
        given = {"email": EMAIL, "password": PASSWORD, "name": "Demo"}
        with suppress(EmailTaken, UsernameTaken):
            sign_up(username=username, referral_code=None, client=client, now=timezone.now(), **given)
    return User.objects.with_email(EMAIL).get()


@require_POST
def sign_in_demo(request: HttpRequest) -> HttpResponse:
    """Sign the demo account in, whatever its password has become."""
    user = ensure_demo_account()
    with transaction.atomic(durable=True):
        signed_in = sign_in(user, client=client_of(request), now=timezone.now())
    return json_response(accessToken=signed_in.tokens.access, username=user.username)


@require_POST
def resolve(request: HttpRequest, market_id: str) -> HttpResponse:
    """Have the simulator decide the market, and take over its result now. Raises NoSimulator, PolymarketUnavailable."""
    key = parse_uuid(market_id)
    market = Market.objects.filter(pk=key, market_type=Market.Type.POLYMARKET).first() if key else None
    outcome = OUTCOMES.get(request.POST.get("outcome", ""))
    if not (market and outcome and simulator_url()):
        raise NoSimulator
    command = {"market": market.polymarket_id, "do": "resolve", "outcome": outcome}
    try:
        done = requests.post(f"{simulator_url()}/_control/market", json=command, timeout=CONTROL_SECONDS)
    except requests.RequestException as exc:
        raise PolymarketUnavailable(retry_after=CONTROL_SECONDS) from exc
    if done.status_code != HTTPStatus.OK:
        raise NoSimulator
    check_markets(job_client(), [as_candidate(market)], now=timezone.now(), progress=lambda _done, _total: None)
    market.refresh_from_db()
    return json_response(status=market.status, resolution=market.resolution)


def as_candidate(market: Market) -> Candidate:
    is_bet_on = MarketTerms.objects.filter(market=market).exists()
    options = (market.this_option, market.that_option) if is_bet_on else None
    return Candidate(market.pk, market.polymarket_id or "", (market.this_token_id, market.that_token_id), options)


class Event(NamedTuple):
    """Something that happened, as the page tells it."""

    at: datetime
    id: str
    kind: str
    text: str


@require_GET
def events(request: HttpRequest) -> HttpResponse:
    """Return the newest events, newest first."""
    newest = sorted(recent_events(), reverse=True)[:EVENTS]
    return json_response(events=[event._asdict() for event in newest], now=timezone.now())


@require_GET
def mails(request: HttpRequest) -> HttpResponse:
    """Return the newest mails, newest first, each with a link like its own, where it has one that is good still.

    A mail is kept nowhere: the link is made anew, of the account as it is now.
    """
    rows = Mail.objects.select_related("user").order_by("-created_at")[:MAILS]
    now = timezone.now()
    shown = [{"at": row.created_at, "to": row.address, "state": row.status, **said(row, now=now)} for row in rows]
    return json_response(mails=shown)


def said(mail: Mail, *, now: datetime) -> dict[str, str]:
    message = compose(mail, now=now)
    if message is None:
        return {"subject": mail.get_kind_display(), "link": ""}
    link = LINK.search(str(message.body))
    return {"subject": str(message.subject), "link": link[0] if link else ""}


def recent_events() -> Iterator[Event]:
    yield from (Event(user.created_at, f"user {user.pk}", "user", f"{user.username} joined") for user in newest(User))
    for bet in newest(Bet, "user", "market"):
        option = bet.market.this_option if bet.side == Bet.Side.THIS else bet.market.that_option
        text = f"{bet.user.username} bet {plain(bet.amount)} on {option}: {bet.market.title}"
        yield Event(bet.placed_at, f"bet {bet.pk}", "bet", text)
    for sale in newest(BetSale, "bet__user", "bet__market"):
        text = f"{sale.bet.user.username} sold a bet for {plain(sale.payout)}: {sale.bet.market.title}"
        yield Event(sale.created_at, f"sale {sale.pk}", "sale", text)
    for trade in newest(StockTransaction, "user", "stock"):
        verb = {"buy": "bought", "sell": "sold"}.get(trade.type, "lost")
        text = (
            f"{trade.user.username} {verb} {plain(trade.shares)} {trade.stock.symbol} for {plain(trade.total_amount)}"
        )
        yield Event(trade.created_at, f"trade {trade.pk}", "trade", text)
    for done in newest(Settlement, "market"):
        count = done.won + done.lost + done.cancelled
        paid = f"{count} bet{'s' * (count > 1)} paid {plain(done.paid + done.refunded)}" if count else "no bets"
        names = {"this": done.market.this_option, "that": done.market.that_option}
        text = f"{done.market.title} — {names.get(done.resolution, 'a tie')}: {paid}"
        yield Event(done.started_at, f"settlement {done.pk}", "paid" if count else "end", text)


def newest(model: Any, *related: str) -> Any:
    """Return the newest rows of the model, whose ids grow with time."""
    rows = model.objects.order_by(F("id").desc())[:EVENTS]
    return rows.select_related(*related) if related else rows


def plain(amount: Decimal) -> str:
    return f"{amount.normalize():,f}"
