"""How staff find people: by what names one exactly, or by how a name begins. Each by an index, and none by a scan."""

from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Collate, Lower
from django.http import HttpRequest

from accounts.models import User
from economy.models import Debt
from markets.selectors import as_uuid

# Of those whose name begins like that; who isn't among them is found by more letters.
MAX_FOUND = 200


def matching(term: str) -> Q:
    """An id, an e-mail, an X handle, a username or a referral code, in any case; or how a name or username begins."""
    term = term.strip()
    if user_id := as_uuid(term):
        return Q(pk=user_id)
    if "@" in term[1:]:
        return Q(pk__in=ids(User.objects.with_email(term)))
    handle = term.removeprefix("@")
    found = {*ids(with_x_handle(handle)), *ids(User.objects.filter(referral_code=handle.upper()))}
    found |= {*ids(beginning("username", handle)), *ids(beginning("name", handle))}
    return Q(pk__in=found)


def one_named(term: str) -> UUID | None:
    """The user of that id, e-mail, username, X handle or referral code, in any case."""
    term = term.strip()
    if user_id := as_uuid(term):
        return User.objects.filter(pk=user_id).values_list("pk", flat=True).first()
    if "@" in term[1:]:
        return next(iter(ids(User.objects.with_email(term))), None)
    handle = term.removeprefix("@")
    so_named = User.objects.alias(lower=Lower("username")).filter(lower=Lower(Value(handle)))
    for users in (so_named, with_x_handle(handle), User.objects.filter(referral_code=handle.upper())):
        if found := ids(users):
            return found[0]
    return None


def ids(users: QuerySet[User]) -> list[UUID]:
    """Asked for one by one, so that each is answered by its own index."""
    return list(users.values_list("pk", flat=True)[:MAX_FOUND])


def with_x_handle(handle: str) -> QuerySet[User]:
    return User.objects.alias(handle=Lower("x_username")).filter(handle=Lower(Value(handle))).exclude(x_username="")


def beginning(field: str, letters: str) -> QuerySet[User]:
    """In any case, in the order of the index: between two places of it, whatever the database's own order of text."""
    begins = letters.lower()
    place = Collate(Lower(field), "C")
    users = User.objects.alias(place=place).order_by("place")
    return users.filter(place__gte=Value(begins), place__lt=Value(begins + "\U0010ffff"))


def state_of(user: User) -> str:
    """In a word, for a label."""
    if user.erased_at:
        return "erased"
    return "active" if user.is_active else "suspended"


class StateFilter(SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("suspended", "Suspended"), ("held", "Credits on hold"), ("owing", "In debt"), ("staff", "Staff")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        wanted = {
            "suspended": Q(is_active=False),
            "held": Q(held_credits__gt=0),
            "owing": Q(pk__in=Debt.objects.filter(repaid__lt=F("lent")).values("user_id")),
            "staff": Q(is_staff=True),
        }
        return queryset.filter(wanted[chosen]) if (chosen := self.value()) in wanted else queryset
