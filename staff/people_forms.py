"""What staff are asked beside the reason."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.models import Group
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from staff.core.actions import ReasonForm

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
