"""`manage.py export_user`: all that is kept about a user, and nobody else's, without a secret."""

import io
import json
import stat
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Model

from accounts.models import RefreshToken, User
from betting.models import Bet
from devtools.management.commands.create_demo_world import create_demo_data
from economy.models import CreditTransaction
from ops.personal_data import DERIVED_APPS, SECTIONS, export_user
from tests.accounts.factories import sign_up, suspend
from tests.economy.factories import staff_actions


def exported(user):
    return b"".join(export_user(user_id=user.pk, now=datetime.now(UTC)))


def read(text):
    return json.loads(text, parse_float=Decimal)


@pytest.mark.django_db(transaction=True)
def test_it_holds_what_the_tables_hold_and_no_secret():
    create_demo_data(now=datetime.now(UTC))
    user = User.objects.exclude(bets=None).exclude(holdings=None).exclude(purchases=None).order_by("pk").first()
    suspend(user, now=datetime.now(UTC))
    text = exported(user)
    told = read(text)
    assert told["user"]["email"] == user.email
    assert "password" not in told["user"]
    assert User.objects.get(pk=user.pk).password not in text.decode()
    kept = {
        section.name: section.model._default_manager.filter(**{section.field: user.pk}).count() for section in SECTIONS
    }
    assert {name: len(told[name]) for name in kept} == kept
    for name in ("ledger_entries", "bets", "bet_sales", "holdings", "stock_transactions", "purchases", "daily_rewards"):
        assert told[name], name
    assert sum(row["amount"] for row in told["ledger_entries"]) == user.credit_balance
    assert [action["action"] for action in told["staff_actions"]] == ["suspend_user"]
    assert all("token_hash" not in row for row in told["sessions"])


@pytest.mark.django_db(transaction=True)
def test_another_users_data_is_not_in_it():
    ann = sign_up("ann", email="ann@example.com").user
    bea = sign_up("bea_swordfish", referral_code=ann.referral_code).user
    text = exported(ann).decode()
    assert "swordfish" not in text
    assert [row["id"] for row in read(text)["referred_users"]] == [str(bea.pk)]
    assert read(text)["user"]["referral_count"] == 1


def leads_to_a_user(field):
    """Whether it is a relation to users, or an id of one without a foreign key."""
    return getattr(field, "concrete", False) and (
        getattr(field, "related_model", None) is User or field.name in ("user_id", "staff_id")
    )


def test_every_table_that_leads_to_a_user_is_in_it():
    models: list[type[Model]] = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
    lead = {(model, field.name) for model in models for field in model._meta.get_fields() if leads_to_a_user(field)}
    assert len(lead) > 25
    exported_ones = {(section.model, section.field) for section in SECTIONS}
    missing = {
        (model._meta.label, name) for model, name in lead - exported_ones if model._meta.app_label not in DERIVED_APPS
    }
    assert missing == set()


@pytest.mark.django_db(transaction=True)
def test_memory_does_not_grow_with_the_user():
    user = sign_up("ann").user
    many = """
        INSERT INTO refresh_tokens (id, user_id, token_hash, family, created_at, expires_at, user_agent, revoked_reason)
        SELECT gen_random_uuid(), %s, sha256(n::text::bytea), gen_random_uuid(), now(), now() + interval '1 day',
            repeat('x', 200), ''
        FROM generate_series(1, 20000) AS n
    """
    with connection.cursor() as cursor:
        cursor.execute(many, [user.pk])
    tracemalloc.start()
    try:
        size = sum(len(part) for part in export_user(user_id=user.pk, now=datetime.now(UTC)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert RefreshToken.objects.count() == 20_001
    assert size > 8_000_000
    assert peak < 6_000_000


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("named", ["ann", "ANN@example.com", "id"])
def test_it_goes_to_a_file_that_only_its_owner_reads(folder, named):
    user = sign_up("ann", email="ann@example.com").user
    output = folder / "ann.json"
    call_command("export_user", str(user.pk) if named == "id" else named, "--output", str(output), stderr=io.StringIO())
    assert read(output.read_bytes())["user"]["id"] == str(user.pk)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="exists"):
        call_command("export_user", "ann", "--output", str(output))


@pytest.mark.django_db(transaction=True)
def test_it_goes_to_standard_output(capfdbinary):
    sign_up("ann")
    call_command("export_user", "ann")
    assert read(capfdbinary.readouterr().out)["user"]["username"] == "ann"


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_not_there_is_said_so():
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("export_user", "nobody")
    assert Bet.objects.count() == CreditTransaction.objects.count() == staff_actions().count() == 0
