"""`manage.py erase_user`: no personal data is left, and nothing is missing from the ledger."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import Client as Browser

from accounts import suspension
from accounts.errors import NotAllowed, NotYourself, UserErased
from accounts.models import User
from accounts.providers.profiles import Profile
from accounts.providers.sign_in import sign_in
from accounts.services import update_profile
from accounts.staff import COMMAND_LINE, StaffMember
from accounts.tokens import Client
from core.api.errors import recent_refusals
from leaderboard.services import update_leaderboard
from ops.personal_data import erase_user
from tests.accounts.factories import AUTH, PASSWORD, USERS, bearer, refusal, send, success
from tests.accounts.factories import sign_up as arrive
from tests.betting.factories import Player, assert_audit_passes, order
from tests.betting.settlement.factories import end, settle
from tests.economy.factories import staff_actions
from tests.leaderboard.factories import names
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db
X_ID = "77123456789"
# What tells of the person: all of it holds one of these.
MARKS = ("marlin", "203.0.113.77", X_ID)
FROM = Client("MarlinBrowser/1.0", "203.0.113.77")
WHY = "Asked to be forgotten."


@pytest.fixture
def now():
    return datetime.now(UTC)


@pytest.fixture
def marlin():
    person = {"email": "marlin@person.example", "name": "Marlin Fish", "client": FROM}
    arrived = arrive("marlin", **person)
    update_profile(
        user_id=arrived.user.pk,
        changes={"bio": "I am Marlin.", "avatar_url": "https://img.example/marlin.png"},
        now=datetime.now(UTC),
    )
    return arrived


@pytest.fixture
def player(marlin):
    return Player(marlin.user, marlin.tokens.access)


def erase(user, *options, reason=WHY):
    call_command("erase_user", str(user.pk), "--reason", reason, "--yes", *options)
    return User.objects.get(pk=user.pk)


def places_that_know(marks):
    """Every table with a row that holds one of the marks."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            asked = f'SELECT count(*) FROM "{table}" AS whole WHERE whole::text ILIKE ANY(%s)'  # noqa: S608
            cursor.execute(asked, [[f"%{mark}%" for mark in marks]])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def test_no_table_knows_the_person_any_more(marlin, player, boss, now):
    player.post("", order(add_market(), 100), Idempotency_Key="marlin-one")
    about = {"content_type": ContentType.objects.get_for_model(User), "object_id": str(marlin.user.pk)}
    LogEntry.objects.create(user=boss, object_repr="marlin", action_flag=CHANGE, **about)
    assert {"users", "refresh_tokens", "django_admin_log", "idempotency_keys"} <= {*places_that_know(MARKS)}
    erased = erase(marlin.user)
    assert places_that_know(MARKS) == []
    assert erased.username.startswith("erased_")
    assert len(erased.username) == len("erased_") + 8
    assert erased.email == f"{erased.username}@erased.invalid"
    assert not erased.is_active


def test_an_erased_x_account_signs_in_as_a_new_user(now):
    profile = Profile(X_ID, "marlin", "Marlin Fish", "https://img.example/marlin.png", is_verified=True)
    first = sign_in("x", profile, referral_code="", client=FROM, now=now).user
    assert {"users", "oauth_accounts"} <= {*places_that_know(MARKS)}
    erase(first)
    assert places_that_know(MARKS) == []
    again = sign_in("x", profile, referral_code="", client=FROM, now=now).user
    assert again.pk != first.pk
    assert again.username == "marlin"
    # One account at X makes one user who counts.
    assert (first.email_verified_at, again.email_verified_at) == (now, None)


def test_nobody_is_signed_in_any_more_nor_signs_in(marlin):
    assert Browser().get(f"{AUTH}/me", headers=bearer(marlin)).status_code == 200
    erase(marlin.user)
    http = Browser(raise_request_exception=False)
    assert http.get(f"{AUTH}/me", headers=bearer(marlin)).status_code in (401, 403)
    refusal(send(http, f"{AUTH}/refresh", {"refreshToken": marlin.tokens.refresh}), 401, "invalid_refresh_token")
    entered = {"email": "marlin@person.example", "password": PASSWORD}
    refusal(send(http, f"{AUTH}/login", entered), 401, "invalid_credentials")
    entered = {"email": User.objects.get(pk=marlin.user.pk).email, "password": PASSWORD}
    refusal(send(http, f"{AUTH}/login", entered), 401, "invalid_credentials")


def test_the_same_email_and_username_sign_up_anew_as_somebody_else(marlin):
    erase(marlin.user)
    form = {"username": "marlin", "email": "marlin@person.example", "password": PASSWORD, "name": "Marlin Fish"}
    new = success(send(Browser(), f"{AUTH}/signup", form), 201)["user"]
    assert new["id"] != str(marlin.user.pk)
    assert Decimal(new["creditBalance"]) == 1000


def test_an_erased_users_referral_code_is_unknown(marlin):
    erase(marlin.user)
    form = {"username": "bea", "email": "bea@example.com", "password": PASSWORD, "name": "Bea"}
    sent = form | {"referralCode": marlin.user.referral_code}
    refusal(send(Browser(), f"{AUTH}/signup", sent), 400, "invalid_referral_code")


def test_the_audit_passes_and_open_bets_are_settled_on_them(marlin, player):
    sold, open_ = add_market(), add_market()
    player.sell(player.bet(sold, 200), "50")
    player.bet(open_, 300)
    before, entries = player.booked(), player.ledger_entries()
    erase(marlin.user)
    assert_audit_passes()
    assert player.booked() == before
    assert player.ledger_entries() == entries
    for market in (sold, open_):
        end(market)
        settle(market)
    assert_audit_passes()
    assert player.booked()["credit_balance"] > before["credit_balance"]
    assert player.booked()["locked_credits"] == 0


def test_leaderboards_leave_the_user_out(marlin, player, now):
    player.bet(add_market(), 100)
    update_leaderboard(now=now)
    assert names("volume") == ["marlin"]
    erase(marlin.user)
    # Another page than the one that is remembered for some seconds.
    assert names("volume", limit=7) == names("pnl", limit=7) == []
    update_leaderboard(now=now + timedelta(minutes=15))
    assert names("volume") == names("pnl") == []


def test_the_public_profile_tells_nothing(marlin):
    erase(marlin.user)
    response = Browser(raise_request_exception=False).get(f"{USERS}/{marlin.user.pk}")
    assert not any(mark in response.content.decode().lower() for mark in MARKS)


def test_it_is_on_record_without_saying_who_it_was(marlin):
    erased = erase(marlin.user)
    action = staff_actions().get(action="erase_user")
    assert (action.target_id, action.reason, action.staff) == (str(marlin.user.pk), WHY, None)
    assert (action.before, action.after) == ({}, {"username": erased.username})


def test_nothing_brings_the_person_back(marlin, now):
    erased = erase(marlin.user)
    with pytest.raises(UserErased):
        suspension.restore_user(user_id=erased.pk, by=COMMAND_LINE, reason="Was a mistake.", now=now)
    with pytest.raises(IntegrityError, match="users_erased_never_return"):
        User.objects.filter(pk=erased.pk).update(is_active=True)


def test_a_second_time_is_refused(marlin):
    erased = erase(marlin.user)
    with pytest.raises(CommandError, match="erased"):
        erase(marlin.user)
    assert User.objects.get(pk=erased.pk).username == erased.username


@pytest.mark.parametrize("named", ["marlin", "MARLIN@person.example", "id"])
def test_a_user_is_named_by_id_email_or_username(marlin, named, capsys):
    call_command("erase_user", str(marlin.user.pk) if named == "id" else named, "--reason", WHY, "--yes", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["userId"] == str(marlin.user.pk)
    assert told["username"] == User.objects.get(pk=marlin.user.pk).username


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nobody", "--reason", WHY, "--yes"], "There is no user nobody"),
        (["marlin", "--reason", " ", "--yes"], "Say why"),
        (["marlin", "--reason", WHY], "add --yes"),
    ],
)
def test_what_is_refused_changes_nothing(marlin, arguments, why):
    before = list(User.objects.values())
    with pytest.raises(CommandError, match=why):
        call_command("erase_user", *arguments)
    assert list(User.objects.values()) == before
    assert not staff_actions().exists()


def test_only_superusers_may_erase_users(marlin, member, boss, now):
    def by(user):
        return erase_user(user_id=marlin.user.pk, by=StaffMember(user), reason=WHY, now=now)

    for role in ("support", "market managers"):
        with pytest.raises(NotAllowed):
            by(member(role.replace(" ", "_"), role=role))
    with pytest.raises(NotYourself):
        erase_user(user_id=boss.pk, by=StaffMember(boss), reason=WHY, now=now)
    assert by(boss).user_id == marlin.user.pk


def test_an_erased_staff_member_is_no_longer_staff(member):
    erased = erase(member("kay", role="support"))
    assert not erased.is_staff
    assert not erased.groups.exists()


def test_refused_requests_are_no_longer_kept(api, marlin):
    assert api.get("/api/v1/bets/none", headers=bearer(marlin)).status_code == 404
    assert recent_refusals(marlin.user.pk)
    erase(marlin.user)
    assert recent_refusals(marlin.user.pk) == []
