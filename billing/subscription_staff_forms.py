"""Forms of the administration of subscriptions: each is confirmed with the account's name."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.html import format_html

from accounts.models import Account
from billing.models import LicenceMode, Subscription, TelephonyOption, Tenancy
from billing.subscription_forms import CommitmentForm, SubscriptionForm

UNCHANGED: Final = "Nothing is switched: choose another licence mode or telephony option."
SAME: Final = "Nothing is changed: enter another quantity."


class NameTyped(forms.Form):
    """What is done to an account, once its name was typed; the field comes last."""

    confirm_name = forms.CharField(label="The account's name", max_length=200)

    def ask_for(self, account: Account) -> None:
        """Have the name of this account typed."""
        self.account = account
        name = self.fields["confirm_name"]
        name.help_text = format_html("Type <strong>{}</strong> to confirm.", account.name)
        name.widget.attrs["autocomplete"] = "off"
        self.order_fields([key for key in self.fields if key != "confirm_name"])

    def clean_confirm_name(self) -> str:
        """The very name, upper and lower case aside."""
        typed: str = self.cleaned_data["confirm_name"]
        if " ".join(typed.split()).casefold() != " ".join(self.account.name.split()).casefold():
            raise ValidationError("This is not the account's name. Nothing was changed.")
        return typed


class WithReason(NameTyped):
    """What is done for a reason, kept in the trail."""

    reason = forms.CharField(
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the account's activity, for its admins to read.",
    )


class SwitchForm(WithReason):
    """What the whole tenant is switched to, why, and the account's name typed."""

    licence_mode = forms.ChoiceField(choices=LicenceMode.choices, widget=forms.RadioSelect)
    telephony_option = forms.ChoiceField(choices=TelephonyOption.choices, widget=forms.RadioSelect)
    field_order = ("licence_mode", "telephony_option", "reason")

    def __init__(self, *args: Any, tenancy: Tenancy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenancy = tenancy
        self.ask_for(tenancy.account)

    def clean(self) -> dict[str, Any]:
        """Something is to be switched."""
        cleaned = super().clean() or self.cleaned_data
        now = (self.tenancy.licence_mode, self.tenancy.telephony_option)
        if (cleaned.get("licence_mode"), cleaned.get("telephony_option")) == now:
            raise ValidationError(UNCHANGED)
        return cleaned


class StaffCommitmentForm(WithReason, CommitmentForm):
    """What a subscription commits to of any meter, why, and the account's name typed."""

    def __init__(
        self, *args: Any, subscription: Subscription, current: dict[str, int], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.current = current
        self.order_fields([*(field.name for field in self.commitment_fields), "reason"])
        self.ask_for(subscription.account)

    def clean(self) -> dict[str, Any]:
        """Something is to be changed."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and all(
            quantity == self.current.get(meter, 0) for meter, quantity in self.commitments().items()
        ):
            raise ValidationError(SAME)
        return cleaned


class ProvisionForm(NameTyped, SubscriptionForm):
    """A subscription that staff enter for an account: any commitments; and the account's name typed."""

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, account=account, **kwargs)
        self.ask_for(account)


class AccountForm(forms.Form):
    """Which account a subscription is for."""

    account = forms.CharField(
        max_length=200,
        help_text="Its name, or its name as in the address of its pages, such as harbor-dental.",
    )

    def clean_account(self) -> Account:
        """The one account that is called so, the simulator's aside."""
        typed: str = self.cleaned_data["account"]
        found = Account.objects.filter(Q(slug__iexact=typed) | Q(name__iexact=typed), is_simulation=False)
        matching = list(found.select_related("brand")[:2])
        if not matching:
            raise ValidationError("There is no account of this name.")
        if len(matching) > 1:
            raise ValidationError("Several accounts are called so. Enter the one of its address.")
        return matching[0]
