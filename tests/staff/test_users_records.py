"""Recorded staff actions: found by who acted and on what, and never edited."""

import pytest

from accounts.models import StaffAction
from tests.economy.factories import make_user
from tests.staff.pages import WHY, act, page, statements, text_of

pytestmark = pytest.mark.django_db
RECORDS = "/admin/accounts/staffaction/"


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


@pytest.fixture
def held(desk, ann):
    desk.post(act("hold", ann), {"amount": "5", "reason": "Odd bets."})
    return StaffAction.objects.get(action="hold_credits")


def shown(browser, **query):
    return [row.action for row in browser.get(RECORDS, query).context["cl"].result_list]


def test_a_record_says_who_what_from_where_and_why(desk, ann, held):
    read = text_of(desk.get(RECORDS))
    assert "boss Hold credits User ann Odd bets. 127.0.0.1" in read
    assert page(ann) in desk.get(RECORDS).content.decode()


def test_its_page_has_before_and_after(desk, held):
    read = text_of(desk.get(f"{RECORDS}{held.pk}/change/"))
    assert "Held 0.00 5.00 Balance 1000.00 1000.00 Available 1000.00 995.00" in read
    assert "Odd bets." in read


def test_records_are_found_by_who_did_it_and_to_what(desk, member, browser, ann, held):
    bob = make_user("bob")
    browser(member("sue", role="support")).post(act("suspend", bob), WHY)

    def found(**query):
        """Besides what made the staff, and gave ann credits."""
        return [name for name in shown(desk, **query) if name in ("suspend_user", "hold_credits")]

    assert found() == ["suspend_user", "hold_credits"]
    assert found(q="boss") == ["hold_credits"]
    assert found(q="sue@staff.example") == found(q=bob.pk) == ["suspend_user"]
    assert found(q=ann.pk) == ["hold_credits"]
    assert shown(desk, q="ann") == shown(desk, q="7") == []


def test_the_table_takes_the_same_statements_however_many_there_are(desk, ann, held):
    few = statements(desk, RECORDS)
    for _ in range(20):
        desk.post(act("hold", ann), {"amount": "1", **WHY})
    assert statements(desk, RECORDS) == few == 5


def test_a_record_is_neither_added_nor_changed_nor_deleted_there(desk, held):
    before = list(StaffAction.objects.values())
    assert desk.get(f"{RECORDS}add/").status_code == 403
    desk.post(f"{RECORDS}{held.pk}/change/", {"reason": "Other."})
    assert desk.post(f"{RECORDS}{held.pk}/delete/", {"post": "yes"}).status_code == 403
    assert list(StaffAction.objects.values()) == before
