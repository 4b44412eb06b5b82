"""GET and PATCH /users/me/notification-preferences."""

import pytest

from notifications.models import NotificationType
from tests.notifications.factories import PREFERENCES, arrive

pytestmark = pytest.mark.django_db


def test_at_first_everything_is_told_and_nothing_mailed(ann):
    wanted = ann.send("get", PREFERENCES)["preferences"]
    assert wanted == {kind: {"inApp": True, "email": False} for kind in NotificationType.values}


def test_what_is_chosen_stays_and_the_rest_as_it_was(ann):
    ann.prefer(bet_lost={"inApp": False}, bet_won={"email": True})
    wanted = ann.prefer(bet_won={"inApp": False})
    assert wanted["bet_won"] == {"inApp": False, "email": True}
    assert wanted["bet_lost"] == {"inApp": False, "email": False}
    assert ann.send("get", PREFERENCES)["preferences"] == wanted
    assert arrive("bob").send("get", PREFERENCES)["preferences"]["bet_won"]["inApp"] is True


@pytest.mark.parametrize(
    "body", ['{"bet_won": {"inApp": "no"}}', '{"bet_won": false}', '{"bet_won": {"email": null}}', "[]"], ids=str
)
def test_a_bad_choice_is_refused(ann, body):
    ann.send("patch", PREFERENCES, body, status=400)


def test_an_unknown_type_is_reported(ann):
    (warning,) = ann.send("patch", PREFERENCES, {"bet_drawn": {"inApp": False}})["warnings"]
    assert (warning["field"], warning["code"]) == ("bet_drawn", "unknown_field")
