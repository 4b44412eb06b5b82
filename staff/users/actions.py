"""What staff may do about a user, and the page before it: what it changes, and a reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

from django import forms
from django.contrib.auth.models import Group
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from accounts import roles, suspension
from accounts.models import Permission, User
from accounts.staff import StaffMember
from accounts.suspension import check_may_touch
from core.api.errors import DomainError
from economy.adjustments import Adjustment, adjust_credits, limit, moved_today
from economy.holds import hold_credits, release_hold
from economy.models import CreditAdjustment
from economy.selectors import debt_of
from staff.core.actions import Confirmation, ReasonForm
from staff.core.formatting import credits_of, page_of

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button of a user's page where it `fits`, for who has the permission (None: superusers)."""

    button: str
    permission: Permission | None
    fits: Callable[[User], bool]
    page: Callable[[User, StaffMember], Confirmation]
    variant: Literal["default", "primary", "danger"] = "default"

    def allowed(self, by: StaffMember) -> bool:
        if self.permission is None:
            return by.user is not None and by.user.is_superuser
        return by.may(self.permission)

    def refusal(self, user: User, by: StaffMember) -> str:
        """Why it isn't offered about this user; empty where it is."""
        if not self.fits(user):
            return f"Not possible now: {self.button.lower()}."
        try:
            if by.user:
                check_may_touch(user, by=by.user)
        except DomainError as refusal:
            return str(refusal)
        return ""


def action_named(name: str) -> Action:
    """Raises Http404."""
    if name not in ACTIONS:
        raise Http404
    return ACTIONS[name]


def address_of(user: User, name: str) -> str:
    return reverse("admin:accounts_user_act", args=[user.pk, name])


def called(user: User) -> str:
    return f"{user.name} (@{user.username})"


def suspending(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        suspension.suspend_user(user_id=user.pk, by=by, reason=said["reason"], now=timezone.now())
        return f"{called(user)} is suspended and signed out everywhere."

    return Confirmation(
        title=f"Suspend {called(user)}",
        button="Suspend the user",
        back=page_of(user),
        act=act,
        warning="From this moment nothing that needs a sign-in works. Open bets stay, and are settled as everybody's.",
        facts={"E-mail": user.email, "Balance": credits_of(user.credit_balance)},
    )


def restoring(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        suspension.restore_user(user_id=user.pk, by=by, reason=said["reason"], now=timezone.now())
        return f"{called(user)} may sign in again."

    return Confirmation(
        title=f"Restore {called(user)}",
        button="Restore the user",
        back=page_of(user),
        act=act,
        facts={"E-mail": user.email, "Balance": credits_of(user.credit_balance)},
    )


def ending_sessions(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        suspension.end_sessions(user_id=user.pk, by=by, reason=said["reason"], now=timezone.now())
        return f"{called(user)} is signed out everywhere."

    return Confirmation(
        title=f"Log {called(user)} out everywhere",
        button="Log out everywhere",
        back=page_of(user),
        act=act,
        warning="Every device is signed out at once. The user may sign in again.",
        facts={"E-mail": user.email},
    )


def holding(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        now = timezone.now()
        held = hold_credits(user_id=user.pk, amount=said["amount"], by=by, reason=said["reason"], now=now)
        return f"{credits_of(held.held_credits)} credits of {called(user)} are on hold."

    return Confirmation(
        title=f"Put credits of {called(user)} on hold",
        button="Put on hold",
        back=page_of(user),
        act=act,
        form=AmountForm,
        warning="What is on hold stays the user's, and can't be spent until staff let it go.",
        facts=figures(user),
    )


def releasing(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        now = timezone.now()
        held = release_hold(user_id=user.pk, amount=said["amount"], by=by, reason=said["reason"], now=now)
        return f"Let go. {credits_of(held.held_credits)} credits of {called(user)} are on hold still."

    return Confirmation(
        title=f"Let held credits of {called(user)} go",
        button="Let go",
        back=page_of(user),
        act=act,
        form=AmountForm,
        warning="The user has debts: what is let go repays them first." if debt_of(user.pk) else "",
        facts=figures(user),
        initial={"amount": user.held_credits},
    )


def adjusting(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        asked = Adjustment(user_id=user.pk, amount=signed(said), reason=said["reason"], request_id=said["request_id"])
        return outcome(adjust_credits(asked, by=by, now=timezone.now()), user)

    alone = moved_today(user.pk, by=by, now=timezone.now())
    return Confirmation(
        title=f"Give or take credits of {called(user)}",
        button="Adjust the balance",
        back=page_of(user),
        act=act,
        form=AdjustmentForm,
        warning=f"More than {credits_of(limit())} credits a day needs a second of the staff to approve it.",
        facts={**figures(user), "You moved today": credits_of(alone)},
    )


def outcome(adjustment: CreditAdjustment, user: User) -> str:
    if adjustment.status == CreditAdjustment.Status.PENDING:
        return "Nothing moved yet: this much needs a second of the staff, and waits among the adjustments."
    verb = "Given to" if adjustment.amount > 0 else "Taken from"
    return f"{verb} {called(user)}: {credits_of(abs(adjustment.amount))} credits."


def giving_roles(user: User, by: StaffMember) -> Confirmation:
    def act(said: Said) -> str:
        wanted: dict[str, Any] = {"is_staff": said["is_staff"], "roles": said["roles"]}
        roles.set_roles(user_id=user.pk, **wanted, by=by, reason=said["reason"], now=timezone.now())
        return f"The roles of {called(user)} are changed."

    given = sorted(user.groups.values_list("name", flat=True))
    return Confirmation(
        title=f"Roles of {called(user)}",
        button="Set the roles",
        back=page_of(user),
        act=act,
        form=RolesForm,
        warning="This one is a superuser, and stops being one when let out of the admin." if user.is_superuser else "",
        facts={"Staff": "Yes" if user.is_staff else "No", "Roles": ", ".join(given).capitalize() or "None"},
        initial={"is_staff": user.is_staff, "roles": given},
    )


def figures(user: User) -> dict[str, str]:
    return {
        "Balance": credits_of(user.credit_balance),
        "Available": credits_of(user.available_credits),
        "On hold": credits_of(user.held_credits),
    }


def always(user: User) -> bool:
    return True


ACTIONS = {
    "suspend": Action(
        button="Suspend",
        permission=Permission.SUSPEND_USERS,
        fits=lambda user: user.is_active,
        page=suspending,
        variant="danger",
    ),
    "restore": Action(
        button="Restore",
        permission=Permission.SUSPEND_USERS,
        fits=lambda user: not user.is_active and not user.erased_at,
        page=restoring,
        variant="primary",
    ),
    "log-out": Action(
        button="Log out everywhere",
        permission=Permission.SUSPEND_USERS,
        fits=lambda user: not user.erased_at,
        page=ending_sessions,
    ),
    "hold": Action(
        button="Put on hold",
        permission=Permission.HOLD_CREDITS,
        fits=lambda user: user.available_credits > 0,
        page=holding,
    ),
    "release": Action(
        button="Let go of the hold",
        permission=Permission.HOLD_CREDITS,
        fits=lambda user: user.held_credits > 0,
        page=releasing,
    ),
    "adjust": Action(button="Give or take credits", permission=Permission.ADJUST_CREDITS, fits=always, page=adjusting),
    "roles": Action(button="Roles", permission=None, fits=lambda user: not user.erased_at, page=giving_roles),
}


CENT = Decimal("0.01")


class AmountForm(ReasonForm):
    field_order = ["amount", "reason"]
    amount = forms.DecimalField(
        label="Credits", min_value=CENT, max_digits=18, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget()
    )


class AdjustmentForm(AmountForm):
    """`request_id` goes with the form: sent twice, it is done once."""

    field_order = ["direction", "amount", "reason", "request_id"]
    direction = forms.ChoiceField(
        label="What", choices=(("give", "Give credits"), ("take", "Take credits")), widget=UnfoldAdminSelectWidget()
    )
    request_id = forms.UUIDField(widget=forms.HiddenInput(), initial=uuid4)


def signed(said: Any) -> Decimal:
    """The amount as the ledger counts it: negative where it is taken."""
    amount: Decimal = said["amount"].quantize(CENT)
    return -amount if said["direction"] == "take" else amount


class RolesForm(ReasonForm):
    field_order = ["is_staff", "roles", "reason"]
    is_staff = forms.BooleanField(label="May enter the admin", required=False, widget=UnfoldBooleanWidget())
    roles = forms.MultipleChoiceField(required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget(), choices=())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Group.objects.order_by("name").values_list("name", flat=True)
        choices = self.fields["roles"]
        if isinstance(choices, forms.MultipleChoiceField):
            choices.choices = [(name, name.capitalize()) for name in names]
