"""`manage.py seed_stocks`, `set_stock` and `verify_stock_transactions`: for users, and with --json for programs."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from economy.stocks.prices import CATALOGUE
from tests.economy.factories import staff_actions
from tests.economy.stocks.factories import assert_audit_passes, everything, list_stock, staff

pytestmark = pytest.mark.django_db
WHY = ("--reason", "Good news")


def run(*arguments):
    output = StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def refused(*arguments):
    """What it says of why it can't; the exit status is 1, and nothing changed."""
    before, output = everything(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*arguments, stdout=output, stderr=output)
    assert (ended.value.code, everything()) == (1, before)
    return output.getvalue()


def one_line(text):
    assert text.count("\n") == 1
    return json.loads(text, parse_float=Decimal)


class TestSetStock:
    def test_it_sets_a_price_and_says_it(self, acme):
        assert run("set_stock", "ACME", "--price", "12.5", *WHY) == "ACME at 12.50000000, active\n"
        assert acme.prices.get(sequence=2).price == Decimal("12.5")
        assert_audit_passes()

    def test_it_sets_a_status_and_says_it(self, acme):
        assert run("set_stock", "ACME", "--status", "halted", *WHY) == "ACME at 10.00000000, halted\n"
        assert acme.status_changes.get().status == "halted"

    def test_with_json_it_prints_one_line(self, acme):
        said = one_line(run("set_stock", "ACME", "--price", "12.5", *WHY, "--json"))
        data = {"stockId": str(acme.pk), "symbol": "ACME", "price": Decimal("12.5"), "status": "active"}
        assert said == {"success": True, "data": data}

    def test_whoever_has_the_command_line_may_and_has_no_name(self, acme):
        run("set_stock", "ACME", "--price", "11", *WHY)
        assert (staff_actions().get().staff, acme.prices.get(sequence=2).set_by) == (None, None)

    def test_who_is_named_did_it(self, acme):
        run("set_stock", "ACME", "--price", "11", *WHY, "--by", staff().username)
        assert (staff_actions().get().staff, acme.prices.get(sequence=2).set_by) == (staff(), staff())

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("--price", "0", *WHY), "invalid_price"),
            (("--price", "NaN", *WHY), "invalid_price"),
            (("--price", "5", "--reason", " "), "reason_required"),
            (("--status", "active", *WHY), "nothing_changed"),
            (("--price", "5", *WHY, "--by", "ann"), "staff_permission_required"),
        ],
    )
    def test_what_cannot_be_is_refused_with_exit_status_1(self, ann, acme, arguments, code):
        assert refused("set_stock", "ACME", *arguments).startswith("Failed: ")
        said = one_line(refused("set_stock", "ACME", *arguments, "--json"))
        assert (said["success"], said["code"]) == (False, code)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("ACME",),
            ("ACME", *WHY),
            ("ACME", "--price", "5"),
            ("ACME", "--price", "five", *WHY),
            ("ACME", "--status", "closed", *WHY),
            ("ACME", "--price", "5", "--status", "halted", *WHY),
            ("NONE", "--price", "5", *WHY),
            ("ACME", "--price", "5", *WHY, "--by", "nobody"),
        ],
    )
    def test_what_it_cannot_read_or_find_is_refused_by_name(self, acme, arguments):
        before = everything()
        with pytest.raises(CommandError):
            run("set_stock", *arguments)
        assert everything() == before


class TestSeedStocks:
    def test_it_says_how_many_it_added(self, db):
        assert run("seed_stocks") == f"{len(CATALOGUE)} stocks added, of {len(CATALOGUE)}\n"

    def test_with_json_it_prints_one_line(self, db):
        for added in (len(CATALOGUE), 0):
            data = {"added": added, "catalogue": len(CATALOGUE)}
            assert one_line(run("seed_stocks", "--json")) == {"success": True, "data": data}


class TestVerify:
    def test_it_says_it_in_words(self, ann, acme):
        ann.buy(acme, 1)
        ann.buy(list_stock("OTHR"), 2)
        assert run("verify_stock_transactions") == "2 transactions, 0 of them broken\n"

    def test_what_is_forged_ends_it_with_exit_status_1(self, ann, acme, settings):
        ann.buy(acme, 1)
        settings.STOCK_SIGNING_KEYS = {"development": "not-the-key-that-signed-these-trades-at-all"}
        words = refused("verify_stock_transactions").splitlines()
        assert words[0].endswith(f": signature, number 1 of {ann.user.pk}")
        assert words[1:] == ["1 transactions, 1 of them broken"]
        said = one_line(refused("verify_stock_transactions", "--json"))
        assert (said["passed"], said["examined"], said["breaches"][0]["reason"]) == (False, 1, "signature")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("seed_stocks", "--json"),
        ("set_stock", "--price"),
        ("set_stock", "exit status 1"),
        ("verify_stock_transactions", "exit status 1"),
    ],
)
def test_help_says_what_it_does(capsys, command, words):
    with pytest.raises(SystemExit) as ended:
        call_command(command, "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert (ended.value.code, words in said) == (0, True)
