"""Forms of the finance pages: what the list is narrowed to, and what happens to an issued invoice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, cast

from django import forms

from billing.corrections import LineLeft
from billing.engine import minor_unit
from billing.finance import Filters
from billing.models import InvoiceKind, InvoiceState
from billing.queries import OVERDUE

_DATE: Final = "Enter a date, like 2026-02-15."
_STATES: Final = (
    ("", "Any state"),
    (InvoiceState.ISSUED.value, "Issued, not paid"),
    (OVERDUE, "Overdue"),
    (InvoiceState.PAID.value, "Paid"),
    (InvoiceState.VOID.value, "Void"),
)


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": _DATE},
    )


class InvoiceFilter(forms.Form):
    """What the list of all invoices, its totals and its files are narrowed to."""

    q = forms.CharField(
        label="Search invoice numbers",
        required=False,
        max_length=24,
        widget=forms.TextInput(attrs={"placeholder": "Number, like CP-000123"}),
    )
    first = _day("From")
    last = _day("To")
    brand = forms.ChoiceField(required=False)
    account = forms.CharField(
        required=False, max_length=120, widget=forms.TextInput(attrs={"placeholder": "Name or address"})
    )
    state = forms.ChoiceField(required=False, choices=_STATES)
    kind = forms.ChoiceField(required=False, choices=(("", "Any kind"), *InvoiceKind.choices))
    currency = forms.ChoiceField(required=False)
    run = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2**62,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "placeholder": "Run"}),
        error_messages={"invalid": "Enter the number of an invoice run."},
    )

    def __init__(self, data: Any, *, brands: Sequence[tuple[int, str]], currencies: Iterable[str]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["brand"]).choices = [("", "All brands"), *brands]
        cast(forms.ChoiceField, self.fields["currency"]).choices = [
            ("", "All currencies"),
            *((code, code) for code in currencies),
        ]

    def clean(self) -> dict[str, Any]:
        """The days are in their order."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", "This day is before the first one.")
        return cleaned

    def filters(self, today: date) -> Filters:
        """What was asked for; the form is valid."""
        asked = self.cleaned_data
        return Filters(
            today,
            number=asked["q"],
            first=asked["first"],
            last=asked["last"],
            brand=int(asked["brand"]) if asked["brand"] else None,
            account=asked["account"],
            state=asked["state"],
            kind=asked["kind"],
            currency=asked["currency"],
            run=asked["run"],
        )


class VoidForm(forms.Form):
    """Why an invoice is no longer owed."""

    reason = forms.CharField(
        max_length=200,
        help_text="The customer reads it on the invoice.",
        error_messages={"required": "Say why it is no longer owed."},
    )


class CreditForm(forms.Form):
    """How much is credited of which line, and why. `rows` pairs each line with its field."""

    reason = forms.CharField(
        max_length=200,
        help_text="The customer reads it on the credit note.",
        error_messages={"required": "Say why it is credited."},
    )
    everything = forms.BooleanField(required=False, label="Credit all that is left of every line")

    def __init__(self, data: Any, *, lines: Sequence[LineLeft], decimals: int) -> None:
        super().__init__(data)
        self.lines = lines
        unit = minor_unit(decimals)
        for each in lines:
            name = f"line_{each.line.position}"
            self.fields[name] = forms.DecimalField(
                label=f"Line {each.line.position}",
                required=False,
                min_value=Decimal(0),
                max_digits=18,
                decimal_places=decimals,
                widget=forms.NumberInput(
                    attrs={"step": str(unit), "min": "0", "max": str(each.left.quantize(unit))}
                ),
                error_messages={"invalid": "Enter an amount."},
            )

    @property
    def rows(self) -> list[tuple[LineLeft, forms.BoundField]]:
        """Each line with the field for its amount."""
        return [(each, self[f"line_{each.line.position}"]) for each in self.lines]

    @property
    def plain_fields(self) -> list[forms.BoundField]:
        """The fields that belong to no line."""
        return [self["reason"], self["everything"]]

    def amounts(self, all_lines: Sequence[LineLeft]) -> dict[int, Decimal]:
        """What is to be credited, by the line's position; `all_lines` are those of `everything`."""
        if self.cleaned_data["everything"]:
            return {each.line.position: each.left for each in all_lines if each.left}
        found = ((each.line.position, self.cleaned_data[f"line_{each.line.position}"]) for each in self.lines)
        return {position: amount for position, amount in found if amount}
