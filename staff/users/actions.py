"""Staff actions on a user: the confirmation page of each, what it asks for beside the reason, and the registry."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

from django import forms
from django.contrib.auth.models import Group
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from accounts import suspension
from accounts.mail.messages import address_to_verify
from accounts.models import Permission, RefreshToken, User
from accounts.providers.connections import list_connections
from accounts.providers.protocol import PROVIDERS
from accounts.sessions import SHOWN, list_sessions
from accounts.staff import StaffMember, check_may_touch, set_roles
from core.api.errors import DomainError
from economy import rules
from economy.adjustments import AdjustmentRequest, adjust_credits, get_adjusted_today, hold_credits, release_hold
from economy.models import CreditAdjustment
from economy.selectors import get_debt
from staff.action_log import NOTING
from staff.core.actions import Action, Actions, Confirmation, ReasonForm
from staff.core.formatting import DASH, change_url, format_credits, format_time

Data = Mapping[str, Any]


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


def signed(data: Data) -> Decimal:
    """Return the amount as the ledger counts it: negative where it is taken."""
    amount: Decimal = data["amount"].quantize(CENT)
    return -amount if data["direction"] == "take" else amount


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


def may_touch(user: User, by: StaffMember) -> str:
    """Return why this member of the staff may not act on the user; empty where they may."""
    try:
        if by.user:
            check_may_touch(user, by=by.user)
    except DomainError as refusal:
        return str(refusal)
    return ""


def user_action(
    button: str,
    permission: Permission | None,
    page: Callable[[User, StaffMember], Confirmation],
    *,
    fits: Callable[[User], bool] = lambda _: True,
    variant: Literal["default", "primary", "danger"] = "default",
) -> Action[User]:
    """Return an action on users in a state that `fits`; nobody acts on themselves or on who may do more."""

    def refusal(user: User, by: StaffMember) -> str:
        return may_touch(user, by) if fits(user) else f"Not possible now: {button.lower()}."

    return Action(button=button, permission=permission, page=page, refusal=refusal, variant=variant)


def called(user: User) -> str:
    return f"{user.name} (@{user.username})"


def plain(
    service: Callable[..., User],
    *,
    title: str,
    button: str,
    done: str,
    warning: str = "",
    facts: Callable[[User], dict[str, str]] | None = None,
) -> Callable[[User, StaffMember], Confirmation]:
    """Return the page of an action that asks for a reason alone. `title` and `done` have the user's name for `{}`."""

    def page(user: User, by: StaffMember) -> Confirmation:
        def act(data: Data) -> str:
            service(user_id=user.pk, by=by, reason=data["reason"], now=timezone.now())
            return done.format(called(user))

        return Confirmation(
            title=title.format(called(user)),
            button=button,
            back=change_url(user),
            act=act,
            warning=warning,
            facts=facts(user) if facts else {"E-mail": user.email},
        )

    return page


def address_and_balance(user: User) -> dict[str, str]:
    return {"E-mail": user.email, "Balance": format_credits(user.credit_balance)}


suspending = plain(
    suspension.suspend_user,
    title="Suspend {}",
    button="Suspend the user",
    done="{} is suspended and signed out everywhere.",
    warning=(
        "From this moment nothing that needs a sign-in works. Open bets stay, and are settled as everybody's. "
        "An account that its user deleted isn't erased then."
    ),
    facts=address_and_balance,
)
restoring = plain(
    suspension.restore_user,
    title="Restore {}",
    button="Restore the user",
    done="{} may sign in again.",
    facts=address_and_balance,
)
cancelling_deletion = plain(
    suspension.cancel_deletion,
    title="Cancel the deletion of {}",
    button="Give the account back",
    done="{} may sign in again, and isn't erased.",
    warning="The user asked for the deletion, and isn't told of this.",
    facts=lambda user: {**address_and_balance(user), "To be erased, UTC": format_time(user.deletion_due_at)},
)
ending_sessions = plain(
    suspension.end_sessions,
    title="Log {} out everywhere",
    button="Log out everywhere",
    done="{} is signed out everywhere.",
    warning="Every device is signed out at once. The user may sign in again.",
)
resending = plain(
    suspension.resend_verification,
    title="Send {} the link again",
    button="Send the mail",
    done="A mail to {} is on its way.",
    warning="The link of an earlier mail stays good. One that waits to be sent isn't sent twice.",
    facts=lambda user: {"To": address_to_verify(user) or "Nobody"},
)


def session_form(user: User) -> type[ReasonForm]:
    """Return a form that asks which session."""
    choices = [(str(token.family), told(token)) for token in list_sessions(user.pk, now=timezone.now())[:SHOWN]]

    class SessionForm(ReasonForm):
        field_order = ["session", "reason"]
        session = forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget())

    return SessionForm


def told(token: RefreshToken) -> str:
    return f"{token.ip or DASH}, {token.user_agent or DASH}, since {format_time(token.signed_in_at)}"


def ending_one_session(user: User, by: StaffMember) -> Confirmation:
    def act(data: Data) -> str:
        session = UUID(data["session"])
        suspension.end_one_session(
            user_id=user.pk, session_id=session, by=by, reason=data["reason"], now=timezone.now()
        )
        return f"A session of {called(user)} has ended."

    return Confirmation(
        title=f"End a session of {called(user)}",
        button="End this session",
        back=change_url(user),
        act=act,
        form=session_form(user),
        warning="That device is signed out at once. The user may sign in again.",
        facts={"E-mail": user.email},
    )


def account_form(user: User) -> type[ReasonForm]:
    """Return a form that asks which linked account."""
    choices = [
        (account.provider, f"{PROVIDERS[account.provider].title}: {account.username or account.name}")
        for account in list_connections(user.pk)
    ]

    class AccountForm(ReasonForm):
        field_order = ["account", "reason"]
        account = forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget())

    return AccountForm


def unlinking(user: User, by: StaffMember) -> Confirmation:
    def act(data: Data) -> str:
        provider = data["account"]
        suspension.unlink_account(user_id=user.pk, provider=provider, by=by, reason=data["reason"], now=timezone.now())
        return f"{called(user)} can't sign in with {PROVIDERS[provider].title} any more."

    return Confirmation(
        title=f"Unlink an account of {called(user)}",
        button="Unlink the account",
        back=change_url(user),
        act=act,
        form=account_form(user),
        warning="It lets nobody sign in to this user any more, even if nothing else does. What is signed in stays so.",
        facts={"E-mail": user.email, "Password": "Set" if user.has_usable_password() else "None"},
    )


def moving_hold(
    service: Callable[..., User],
    *,
    title: str,
    button: str,
    done: str,
    warning: Callable[[User], str],
    initial: Callable[[User], dict[str, Any]],
) -> Callable[[User, StaffMember], Confirmation]:
    """Return the page of an action that asks how many credits are put on hold, or let go.

    `title` has the user's name for `{}`, `done` what is on hold then and the user's name.
    """

    def page(user: User, by: StaffMember) -> Confirmation:
        def act(data: Data) -> str:
            now = timezone.now()
            held = service(user_id=user.pk, amount=data["amount"], by=by, reason=data["reason"], now=now)
            return done.format(format_credits(held.held_credits), called(user))

        return Confirmation(
            title=title.format(called(user)),
            button=button,
            back=change_url(user),
            act=act,
            form=AmountForm,
            warning=warning(user),
            facts=credit_facts(user),
            initial=initial(user),
        )

    return page


holding = moving_hold(
    hold_credits,
    title="Put credits of {} on hold",
    button="Put on hold",
    done="{} credits of {} are on hold.",
    warning=lambda _: "What is on hold stays the user's, and can't be spent until staff let it go.",
    initial=lambda _: {},
)
releasing = moving_hold(
    release_hold,
    title="Let held credits of {} go",
    button="Let go",
    done="Let go. {} credits of {} are on hold still.",
    warning=lambda user: "The user has debts: what is let go repays them first." if get_debt(user.pk) else "",
    initial=lambda user: {"amount": user.held_credits},
)


def adjusting(user: User, by: StaffMember) -> Confirmation:
    def act(data: Data) -> str:
        request = AdjustmentRequest(
            user_id=user.pk, amount=signed(data), reason=data["reason"], request_id=data["request_id"]
        )
        return outcome(adjust_credits(request, by=by, now=timezone.now()), user)

    alone, limit = get_adjusted_today(user.pk, by=by, now=timezone.now()), rules.ADMIN_ADJUSTMENT_LIMIT
    return Confirmation(
        title=f"Give or take credits of {called(user)}",
        button="Adjust the balance",
        back=change_url(user),
        act=act,
        form=AdjustmentForm,
        warning=f"More than {format_credits(limit)} credits a day needs a second of the staff to approve it.",
        facts={**credit_facts(user), "You moved today": format_credits(alone)},
    )


def outcome(adjustment: CreditAdjustment, user: User) -> str:
    if adjustment.status == CreditAdjustment.Status.PENDING:
        return "Nothing moved yet: this much needs a second of the staff, and waits among the adjustments."
    verb = "Given to" if adjustment.amount > 0 else "Taken from"
    return f"{verb} {called(user)}: {format_credits(abs(adjustment.amount))} credits."


def giving_roles(user: User, by: StaffMember) -> Confirmation:
    def act(data: Data) -> str:
        wanted: dict[str, Any] = {"is_staff": data["is_staff"], "roles": data["roles"]}
        set_roles(user_id=user.pk, **wanted, by=by, reason=data["reason"], now=timezone.now())
        return f"The roles of {called(user)} are changed."

    given = sorted(user.groups.values_list("name", flat=True))
    return Confirmation(
        title=f"Roles of {called(user)}",
        button="Set the roles",
        back=change_url(user),
        act=act,
        form=RolesForm,
        warning="This one is a superuser, and stops being one when let out of the admin." if user.is_superuser else "",
        facts={"Staff": "Yes" if user.is_staff else "No", "Roles": ", ".join(given).capitalize() or "None"},
        initial={"is_staff": user.is_staff, "roles": given},
    )


def credit_facts(user: User) -> dict[str, str]:
    return {
        "Balance": format_credits(user.credit_balance),
        "Available": format_credits(user.available_credits),
        "On hold": format_credits(user.held_credits),
    }


USER_ACTIONS = Actions(
    url_name="accounts_user_act",
    url_path="<uuid:object_id>/act/<slug:name>/",
    by_name={
        "suspend": user_action(
            "Suspend",
            Permission.SUSPEND_USERS,
            suspending,
            fits=lambda user: user.is_active or user.is_leaving,
            variant="danger",
        ),
        "restore": user_action(
            "Restore",
            Permission.SUSPEND_USERS,
            restoring,
            fits=lambda user: not (user.is_active or user.is_leaving or user.erased_at),
            variant="primary",
        ),
        "cancel-deletion": user_action(
            "Cancel the deletion",
            Permission.SUSPEND_USERS,
            cancelling_deletion,
            fits=lambda user: user.is_leaving,
            variant="primary",
        ),
        "log-out": user_action(
            "Log out everywhere", Permission.SUSPEND_USERS, ending_sessions, fits=lambda user: not user.erased_at
        ),
        "end-session": user_action(
            "End a session", Permission.SUSPEND_USERS, ending_one_session, fits=lambda user: not user.erased_at
        ),
        "unlink-account": user_action(
            "Unlink an account",
            Permission.SUSPEND_USERS,
            unlinking,
            fits=lambda user: list_connections(user.pk).exists(),
        ),
        "resend-verification": user_action(
            "Resend verification",
            Permission.SUSPEND_USERS,
            resending,
            fits=lambda user: user.is_active and address_to_verify(user) is not None,
        ),
        "hold": user_action(
            "Put on hold", Permission.HOLD_CREDITS, holding, fits=lambda user: user.available_credits > 0
        ),
        "release": user_action(
            "Release the hold", Permission.HOLD_CREDITS, releasing, fits=lambda user: user.held_credits > 0
        ),
        "note": NOTING,
        "adjust": user_action("Give or take credits", Permission.ADJUST_CREDITS, adjusting),
        "roles": user_action("Roles", None, giving_roles, fits=lambda user: not user.erased_at),
    },
)
