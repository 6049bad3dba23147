"""Forms of the billing pages: buying and giving back licences, and what lists are narrowed to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from django import forms

from billing.licences import MOST_UNITS, Holding
from billing.models import ChargeState, InvoiceState
from billing.queries import OVERDUE

_QUANTITY: Final = f"Enter a whole number from 1 to {MOST_UNITS:,}."
_STATES: Final = (
    ("", "Any state"),
    (InvoiceState.ISSUED.value, "Issued"),
    (OVERDUE, "Overdue"),
    (InvoiceState.PAID.value, "Paid"),
    (InvoiceState.VOID.value, "Void"),
)


class LicenceForm(forms.Form):
    """A licence and how many of it. What the rules say about them is asked by the action, not here."""

    product = forms.ChoiceField(
        label="Licence",
        error_messages={
            "required": "Choose a licence.",
            "invalid_choice": "This licence cannot be chosen. Choose one of the list.",
        },
    )
    quantity = forms.IntegerField(
        min_value=1,
        max_value=MOST_UNITS,
        initial=1,
        error_messages={
            "required": _QUANTITY,
            "invalid": _QUANTITY,
            "min_value": _QUANTITY,
            "max_value": _QUANTITY,
        },
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(
        self, *args: Any, holdings: Iterable[Holding], notes: Mapping[str, str], **kwargs: Any
    ) -> None:
        """`notes`: what stands beside a product's name, by its code."""
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["product"]).choices = [
            (holding.product.pk, f"{holding.product.name}{notes.get(holding.product.pk, '')}")
            for holding in holdings
        ]


class InvoiceFilter(forms.Form):
    """What the list of invoices can be narrowed to."""

    q = forms.CharField(
        label="Search invoices",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"placeholder": "Search by number"}),
    )
    state = forms.ChoiceField(required=False, choices=_STATES)
    first = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))


class ChargeFilter(forms.Form):
    """What the ledger can be narrowed to."""

    q = forms.CharField(
        label="Search charges",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Search number, user, service, product"}),
    )
    state = forms.ChoiceField(required=False, choices=[("", "Any state"), *ChargeState.choices])
    product = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, products: Mapping[str, str]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["product"]).choices = [("", "All products"), *products.items()]
