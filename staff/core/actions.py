"""The page before a staff action: whom it touches and how much, and a reason that must be given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.staff import MAX_REASON_LETTERS
from core.api.errors import DomainError, TryAgain, is_passing


class ReasonForm(forms.Form):
    """To be extended with what else an action asks for."""

    reason = forms.CharField(
        max_length=MAX_REASON_LETTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept for good, with your name.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """`facts`: what it would do, as label and value. `rows`: whom it touches, under `columns`, the largest first.

    `act` gets the checked form and says in a sentence what was done; the DomainErrors it raises are shown on the page,
    as is that it met somebody else's lock for too long.
    """

    title: str
    button: str
    back: str
    act: Callable[[Mapping[str, Any]], str]
    form: Callable[..., forms.Form] = ReasonForm
    warning: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    caption: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    initial: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.columns, "rows": self.rows}

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The page, or after the confirmation the action and a redirect to `back`."""
        form = self.form(request.POST or None, initial=dict(self.initial))
        status = 200
        if request.method == "POST":
            refusal = self.confirm(request, form)
            if refusal is None:
                return redirect(self.back)
            status = refusal
        context = {**admin.site.each_context(request), "title": self.title, "confirmation": self, "form": form}
        return render(request, "staff/confirm.html", context, status=status)

    def confirm(self, request: HttpRequest, form: forms.Form) -> int | None:
        """The status of the refusal, which the form tells of; None where it was done."""
        if not form.is_valid():
            return DomainError.status
        try:
            messages.success(request, self.act(form.cleaned_data))
        except DomainError as refusal:
            form.add_error(None, str(refusal))
            return refusal.status
        except OperationalError as exc:
            if not is_passing(exc):
                raise
            form.add_error(None, TryAgain.message)
            return TryAgain.status
        return None
