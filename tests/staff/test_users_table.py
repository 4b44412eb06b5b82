"""The table of users: found by what names them, by indexes alone, at a cost that doesn't grow."""

import re
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from accounts.leaving import list_due
from accounts.models import User
from staff.selectors import beginning, with_x_handle
from tests.accounts.factories import suspend
from tests.economy.factories import make_user
from tests.economy.test_debts import lend
from tests.staff.pages import WHY, act, page, statements, text_of

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


@pytest.fixture
def crowd(db):
    make_user("ann", name="Ann Example", x_username="AnnOnX")
    make_user("anna_b", name="Zoë Ångström")
    make_user("bob", name="annabel")
    return User.objects


def shown(browser, **query):
    return [user.username for user in browser.get(USERS, query).context["cl"].result_list]


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("ANN@example.com", ["ann"]),
        (" ann@Example.com ", ["ann"]),
        ("ann@example.co", []),
        ("@annonx", ["ann"]),
        ("AnnOnX", ["ann"]),
        ("bob", ["bob"]),
        ("@bob", ["bob"]),
        ("ann", ["bob", "anna_b", "ann"]),
        ("ANNA", ["bob", "anna_b"]),
        ("annab", ["bob"]),
        ("zoë å", ["anna_b"]),
        ("ZOË", ["anna_b"]),
        ("example", []),
        ("%", []),
        ("_", []),
        ("an%", []),
        ("\U0010ffff", []),
        ("x" * 5_000, []),
        ("\x00", ["bob", "anna_b", "ann", "boss"]),
    ],
)
def test_users_are_found_by_what_names_them_or_how_a_name_begins(desk, crowd, term, found):
    assert shown(desk, q=term) == found


def test_an_id_and_a_referral_code_name_one(desk, crowd):
    bob = crowd.get(username="bob")
    for term in (str(bob.pk), str(bob.pk).upper(), bob.pk.hex, bob.referral_code, bob.referral_code.lower()):
        assert shown(desk, q=term) == ["bob"]


def test_the_states_that_staff_look_for(desk, crowd, boss):
    suspend(crowd.get(username="bob"), now=timezone.now())
    desk.post(
        act("adjust", crowd.get(username="ann")), {"direction": "give", "amount": "9", "request_id": "1" * 32} | WHY
    )
    desk.post(act("hold", crowd.get(username="ann")), {"amount": "9", **WHY})
    lend(crowd.get(username="anna_b"), 5)
    assert {state: shown(desk, state=state) for state in ("suspended", "held", "owing", "staff")} == {
        "suspended": ["bob"],
        "held": ["ann"],
        "owing": ["anna_b"],
        "staff": ["boss"],
    }


def test_the_table_takes_the_same_statements_however_many_there_are(desk, crowd):
    few = statements(desk, USERS)
    for number in range(60):
        make_user(f"more_{number}")
    assert statements(desk, USERS) == few == 4
    assert statements(desk, f"{USERS}?q=more") == statements(desk, f"{USERS}?q=anna") == 8


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        ("users_name_begins", lambda: beginning("name", "ann")),
        ("users_username_begins", lambda: beginning("username", "ann")),
        ("users_x_username", lambda: with_x_handle("annonx")),
        ("users_email_unique", lambda: User.objects.with_email("ann@example.com")),
        ("users_referral_code_unique", lambda: User.objects.filter(referral_code="AAAA1111")),
        ("users_suspended|users_left_out", lambda: User.objects.filter(is_active=False).order_by("-id")),
        (
            "users_suspended|users_left_out",
            lambda: User.objects.filter(is_active=False, deletion_due_at__isnull=True).order_by("-id"),
        ),
        ("users_leaving", lambda: User.objects.filter(deletion_due_at__isnull=False).order_by("-id")),
        ("users_leaving", lambda: list_due(now=timezone.now()).filter(pk__gt=UUID(int=0))),
        ("users_staff|users_left_out", lambda: User.objects.filter(is_staff=True).order_by("-id")),
        ("users_with_hold", lambda: User.objects.filter(held_credits__gt=0).order_by("-id")),
    ],
)
def test_each_way_to_find_users_has_its_index(crowd, index, rows):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    assert re.search(f"using ({index}) on users", rows()[:50].explain())


def test_a_rows_every_column_is_words(desk, crowd):
    read = text_of(desk.get(USERS))
    assert "Ann Example @ann ann@example.com" in read
    assert not any(raw in read for raw in ("None", "True", "False", "Decimal", "datetime"))


@pytest.mark.parametrize("query", ["password__startswith=argon2", "email__contains=ann", "referred_by__password__gt=a"])
def test_nothing_but_what_is_offered_is_searched_by(desk, crowd, query):
    """A hash could be guessed letter by letter else."""
    response = desk.get(f"{USERS}?{query}")
    assert response.status_code in (302, 400)


def test_there_is_no_way_to_edit_add_or_delete_a_user(desk, crowd):
    ann = crowd.get(username="ann")
    assert desk.get(f"{USERS}add/").status_code == 403
    assert desk.post(f"{USERS}{ann.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.post(f"{USERS}{ann.pk}/password/", follow=True).status_code == 404
    desk.post(USERS, {"action": "delete_selected", "_selected_action": [str(ann.pk)], "post": "yes"})
    desk.post(page(ann), {"username": "other", "is_superuser": "on"})
    assert crowd.filter(pk=ann.pk, username="ann", is_superuser=False).exists()


def test_no_page_shows_a_hash(desk, crowd):
    ann = crowd.get(username="ann")
    ann.set_password("a-long-enough-pass")
    ann.save()
    for address in (USERS, page(ann), f"{USERS}{ann.pk}/history/", *(act(name, ann) for name in ("suspend", "roles"))):
        assert ann.password not in desk.get(address).content.decode()
