"""Forms of the subscription pages. What the rules say is asked by the actions, not here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, Final, cast

from django import forms
from django.forms import BoundField

from accounts.forms import show_refusal
from accounts.models import Account, Partner
from accounts.refusals import Refused
from billing.engine.calendar import months_after
from billing.licences import MOST_UNITS
from billing.models import (
    LicenceMode,
    Meter,
    Offer,
    Product,
    Subscription,
    TelephonyOption,
    Tenancy,
)
from billing.subscription_queries import Status
from billing.subscriptions import LONGEST_TERM, MOST_COMMITTED, Terms

_TERM: Final = f"Enter a whole number of months from 1 to {LONGEST_TERM}."
_COMMITTED: Final = f"Enter a whole number up to {MOST_COMMITTED:,}, or leave it empty."
_UNITS: Final = f"Enter a whole number up to {MOST_UNITS:,}, or leave it empty."
_DAY: Final = "Enter a date."
# How the form names what the action calls otherwise.
FIELDS: Final = {"ends_on": "term_months"}


class _Fixed(forms.Select):
    """A choice that was made once for all: the others are shown, and cannot be chosen."""

    def __init__(self, *args: Any, taken: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken = taken

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """An option, switched off where another one was taken."""
        option = super().create_option(name, value, *args, **kwargs)
        if self.taken and str(value) != self.taken:
            option["attrs"]["disabled"] = True
        return option


def _whole(label: str, most: int, message: str, **kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=0,
        max_value=most,
        required=False,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), message),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        **kwargs,
    )


class CommitmentForm(forms.Form):
    """How much of each meter is committed to; an empty field is nothing."""

    def __init__(self, *args: Any, meters: Sequence[Meter], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meters = meters
        for meter in meters:
            self.fields[field_of(meter.pk)] = _whole(meter.name, MOST_COMMITTED, _COMMITTED)

    def commitments(self) -> dict[str, int]:
        """What was entered of each meter, 0 for an empty field; a field that was not understood is left out."""
        return {
            meter.pk: self.cleaned_data[field_of(meter.pk)] or 0
            for meter in self.meters
            if field_of(meter.pk) in self.cleaned_data
        }

    @property
    def commitment_fields(self) -> list[BoundField]:
        """The fields of the meters."""
        return [self[field_of(meter.pk)] for meter in self.meters]


class SubscriptionForm(CommitmentForm):
    """A further subscription: its terms, what it commits to, and its products."""

    name = forms.CharField(
        max_length=80,
        help_text="As it should stand on invoices, such as Sales.",
        error_messages={"required": "Enter a name."},
    )
    offer = forms.ChoiceField(
        choices=Offer.choices, help_text="As it was sold. Both may stand beside each other."
    )
    starts_on = forms.DateField(
        label="Start",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": _DAY, "invalid": _DAY},
    )
    term_months = forms.IntegerField(
        label="Term",
        min_value=1,
        max_value=LONGEST_TERM,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _TERM),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    licence_mode = forms.ChoiceField(
        choices=LicenceMode.choices,
        widget=_Fixed,
        error_messages={"required": "Choose a licence mode."},
        help_text="Counted by who works at a time, or by name. The first subscription decides for all.",
    )
    telephony_option = forms.ChoiceField(
        choices=TelephonyOption.choices,
        widget=_Fixed,
        error_messages={"required": "Choose a telephony option."},
        help_text="What carries the calls. The first subscription decides for all.",
    )
    partner = forms.ModelChoiceField(Partner.objects.none(), required=False, empty_label="No partner")
    department = forms.CharField(max_length=80, required=False)
    billing_contact = forms.EmailField(
        label="Billing contact",
        required=False,
        error_messages={"invalid": "Enter an e-mail address, like name@example.com."},
    )

    def __init__(
        self,
        *args: Any,
        account: Account,
        tenancy: Tenancy | None,
        products: Sequence[Product],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.products = products
        partners = cast("forms.ModelChoiceField[Partner]", self.fields["partner"])
        partners.queryset = Partner.objects.filter(brand=account.brand_id, is_active=True)
        self.fields["department"].widget.attrs["list"] = "departments"
        for product in products:
            self.fields[f"product-{product.pk}"] = _whole(product.name, MOST_UNITS, _UNITS)
        if tenancy is not None:
            self._fix("licence_mode", tenancy.licence_mode)
            self._fix("telephony_option", tenancy.telephony_option)

    def _fix(self, name: str, taken: str) -> None:
        choice = cast(forms.ChoiceField, self.fields[name])
        choice.initial = taken
        cast(_Fixed, choice.widget).taken = taken
        choice.help_text = "The same for all subscriptions of the account. Support can switch it for all."

    def ends_on(self) -> date | None:
        """The end that start and term come to, None while one of them was not understood."""
        starts_on, months = self.cleaned_data.get("starts_on"), self.cleaned_data.get("term_months")
        if starts_on is None or months is None or starts_on.year > 9000:
            return None
        return months_after(starts_on, months)

    def terms(self) -> Terms:
        """What the action is given; for a form that is valid."""
        cleaned = self.cleaned_data
        quantities = {product: cleaned[f"product-{product.pk}"] or 0 for product in self.products}
        return Terms(
            name=cleaned["name"],
            offer=Offer(cleaned["offer"]),
            starts_on=cleaned["starts_on"],
            ends_on=months_after(cleaned["starts_on"], cleaned["term_months"]),
            licence_mode=LicenceMode(cleaned["licence_mode"]),
            telephony_option=TelephonyOption(cleaned["telephony_option"]),
            commitments={meter: quantity for meter, quantity in self.commitments().items() if quantity},
            products={product: quantity for product, quantity in quantities.items() if quantity},
            partner=cleaned["partner"],
            department=cleaned["department"],
            billing_contact=cleaned["billing_contact"],
        )

    def clean_starts_on(self) -> date:
        """A start from which a term can be counted."""
        starts_on: date = self.cleaned_data["starts_on"]
        if starts_on > date.max - timedelta(days=365 * 6):
            raise forms.ValidationError(_DAY)
        return starts_on

    @property
    def term_fields(self) -> list[BoundField]:
        """The fields of what is agreed."""
        return [self[name] for name in ("name", "offer", "starts_on", "term_months")]

    @property
    def tenant_fields(self) -> list[BoundField]:
        """The fields of what all subscriptions have in common."""
        return [self["licence_mode"], self["telephony_option"]]

    @property
    def people_fields(self) -> list[BoundField]:
        """The fields of whom it is for."""
        return [self[name] for name in ("partner", "department", "billing_contact")]

    @property
    def licence_fields(self) -> list[BoundField]:
        """The fields of licences."""
        return [self[f"product-{product.pk}"] for product in self.products if product.is_licence]

    @property
    def item_fields(self) -> list[BoundField]:
        """The fields of the other products."""
        return [self[f"product-{product.pk}"] for product in self.products if not product.is_licence]


class SubscriptionFilter(forms.Form):
    """What the list of subscriptions can be narrowed to. What it does not know, it leaves aside."""

    q = forms.CharField(
        label="Search subscriptions",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Search name, department, partner, contact"}),
    )
    status = forms.ChoiceField(
        required=False, choices=[("", "Any status"), *((status.value, status.label) for status in Status)]
    )
    offer = forms.ChoiceField(required=False, choices=[("", "Any offer"), *Offer.choices])
    partner = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, partners: Mapping[str, str]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["partner"]).choices = [
            ("", "All partners"),
            *partners.items(),
        ]
        if not partners:
            del self.fields["partner"]


class PeriodForm(forms.Form):
    """The billing period that a page is about."""

    period = forms.ChoiceField(label="Billing period", required=False)

    def __init__(self, *args: Any, periods: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["period"]).choices = list(periods)


def field_of(meter: str) -> str:
    """The name of the field in which a meter's commitment is entered."""
    return f"commitment-{meter}"


def show_by_field(form: CommitmentForm, refusal: Refused) -> None:
    """Put a refusal of an action by the form's own field: meters and the end are called otherwise there."""
    asked = refusal.field or ""
    field = field_of(asked) if field_of(asked) in form.fields else FIELDS.get(asked, asked)
    show_refusal(form, Refused(refusal.message, rule=refusal.rule, field=field))


def seen_of(asked: object, box: Mapping[str, Any]) -> str:
    """What a person has seen who was shown what this comes to: `asked` for, at the cost of the box."""
    shown = (asked, box["monthly"], box["next_on"], box["next_then"])
    return sha256(repr(shown).encode()).hexdigest()[:24]


def committed_words(commitments: Mapping[str, int], meters: Iterable[Meter]) -> str:
    """Commitments in a few words: Agents 10, IVR ports 4."""
    return ", ".join(
        f"{meter.name} {commitments[meter.pk]:,}" for meter in meters if commitments.get(meter.pk)
    )


def partners_of(account: Account) -> dict[str, str]:
    """The partners of the account's subscriptions by id, to filter by. One query."""
    rows = Subscription.objects.filter(tenancy=account.pk, partner__isnull=False)
    found = rows.order_by("partner__name").values_list("partner", "partner__name").distinct()
    return {str(key): name for key, name in found}
