"""Forms of the payment pages: what lists are narrowed to, how much is paid by what, and finance's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, cast

from django import forms
from django.conf import settings

from billing.models import Invoice, Payment, PaymentMethod
from billing.payments.reading import REFUND, WITH_CREDIT, PaymentFilters

DATE: Final = "Enter a date, like 2026-02-15."
AMOUNT: Final = "Enter an amount, like 125.00."
MOST_BYTES: Final = 5 * 1024 * 1024
_KINDS: Final = (
    ("", "Payments and refunds"),
    (Payment.Kind.CARD.value, "By card"),
    (Payment.Kind.TRANSFER.value, "By bank transfer"),
    (REFUND, "Refunds"),
    (WITH_CREDIT, "With credit left"),
)


def _day(label: str, *, required: bool = False) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": DATE, "required": DATE},
    )


def _amount(*, required: bool = True, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        max_digits=16,
        decimal_places=4,
        required=required,
        help_text=help_text,
        error_messages={"required": AMOUNT, "invalid": AMOUNT},
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def _in_order(form: forms.Form, cleaned: dict[str, Any]) -> None:
    first, last = cleaned.get("first"), cleaned.get("last")
    if first and last and last < first:
        form.add_error("last", "This day is before the first one.")


class MoveFilter(forms.Form):
    """What an account's list of payments is narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search payments",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Reference, reason or invoice number"}),
    )
    kind = forms.ChoiceField(label="Show", required=False, choices=_KINDS)
    first = _day("From")
    last = _day("To")


class PayForm(forms.Form):
    """How much of what is owed is paid now, and by which card."""

    how_much = forms.ChoiceField(
        label="How much",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose how much is paid."},
    )
    amount = _amount(required=False, help_text="A part of it. The oldest invoices are paid first.")
    method = forms.ChoiceField(
        label="Card", widget=forms.RadioSelect, error_messages={"required": "Choose a card."}
    )

    def __init__(
        self,
        *args: Any,
        owed: Decimal,
        words: str,
        methods: Sequence[tuple[PaymentMethod, str]],
        **kwargs: Any,
    ) -> None:
        """`words`: what is owed in words; `methods`: the cards that can be charged, with what they are called."""
        super().__init__(*args, **kwargs)
        self.owed = owed
        self.methods = {str(method.pk): method for method, _ in methods}
        cast(forms.ChoiceField, self.fields["how_much"]).choices = [
            ("all", f"All that is owed, {words}"),
            ("part", "Another amount"),
        ]
        cast(forms.ChoiceField, self.fields["method"]).choices = [
            (str(method.pk), label) for method, label in methods
        ]

    def clean(self) -> dict[str, Any]:
        """The amount is needed where it is not all."""
        cleaned = super().clean() or self.cleaned_data
        is_missing = cleaned.get("how_much") == "part" and cleaned.get("amount") is None
        if is_missing and "amount" not in self.errors:
            self.add_error("amount", AMOUNT)
        return cleaned

    @property
    def chosen(self) -> Decimal:
        """The amount that was chosen; all that is owed where it cannot be told."""
        cleaned = getattr(self, "cleaned_data", {})
        part = cleaned.get("amount") if cleaned.get("how_much") == "part" else None
        return self.owed if part is None else part

    @property
    def card(self) -> PaymentMethod:
        """The card that was chosen; the form is valid."""
        return self.methods[self.cleaned_data["method"]]


class StatementForm(forms.Form):
    """The days of a statement, both included. `from` is a word of Python's, so the fields are made by name."""

    def __init__(self, data: Any, *, first: date, last: date) -> None:
        """`first` and `last` stand where the address does not say."""
        super().__init__({"from": data.get("from") or first, "to": data.get("to") or last})
        self.fields["from"] = _day("From", required=True)
        self.fields["to"] = _day("To", required=True)

    def clean(self) -> dict[str, Any]:
        """The days are in their order."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("from"), cleaned.get("to")
        if first and last and last < first:
            self.add_error("to", "This day is before the first one.")
        return cleaned


class PaymentFilter(forms.Form):
    """What finance's list of payments, its totals and its file are narrowed to."""

    q = forms.CharField(
        label="Search payments",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Reference or invoice number"}),
    )
    first = _day("From")
    last = _day("To")
    brand = forms.ChoiceField(required=False)
    account = forms.CharField(
        required=False, max_length=120, widget=forms.TextInput(attrs={"placeholder": "Name or address"})
    )
    kind = forms.ChoiceField(required=False, choices=(("", "Any kind"), *Payment.Kind.choices))
    currency = forms.ChoiceField(required=False)
    credit = forms.ChoiceField(
        label="Credit", required=False, choices=(("", "Used up or not"), ("left", "With credit left"))
    )

    def __init__(self, data: Any, *, brands: Sequence[tuple[int, str]]) -> None:
        super().__init__(data)
        _choose(self, brands)

    def clean(self) -> dict[str, Any]:
        """The days are in their order."""
        cleaned = super().clean() or self.cleaned_data
        _in_order(self, cleaned)
        return cleaned

    def filters(self) -> PaymentFilters:
        """What was asked for; the form is valid."""
        asked = self.cleaned_data
        return PaymentFilters(
            search=asked["q"],
            first=asked["first"],
            last=asked["last"],
            brand=int(asked["brand"]) if asked["brand"] else None,
            account=asked["account"],
            kind=asked["kind"],
            currency=asked["currency"],
            has_credit=asked["credit"] == "left",
        )


class CreditFilter(forms.Form):
    """What the list of accounts with credit is narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search accounts",
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "Name or address"}),
    )
    brand = forms.ChoiceField(required=False)
    currency = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, brands: Sequence[tuple[int, str]]) -> None:
        super().__init__(data)
        _choose(self, brands)


class RefundFilter(forms.Form):
    """What the list of refunds is narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search refunds",
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "Account, reason or reference"}),
    )
    state = forms.ChoiceField(
        required=False,
        choices=(("", "Any state"), ("asked", "On its way"), ("done", "Refunded"), ("failed", "Failed")),
    )
    first = _day("From")
    last = _day("To")


def _choose(form: forms.Form, brands: Iterable[tuple[int, str]]) -> None:
    cast(forms.ChoiceField, form.fields["brand"]).choices = [("", "All brands"), *brands]
    cast(forms.ChoiceField, form.fields["currency"]).choices = [
        ("", "All currencies"),
        *((code, code) for code in settings.CURRENCIES),
    ]


class TransferForm(forms.Form):
    """A bank transfer: how much came in, when, and what the payment is known by."""

    amount = _amount()
    on = forms.DateField(
        label="Came in on",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": DATE, "invalid": DATE},
    )
    reference = forms.CharField(
        max_length=80,
        help_text="What the payment is known by, such as the text of the transfer.",
        error_messages={"required": "Enter what the payment is known by."},
    )


class RefundForm(forms.Form):
    """How much of a payment is given back, out of which credit, and why."""

    source = forms.ChoiceField(
        label="Out of",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose which credit it comes from."},
    )
    amount = _amount()
    reason = forms.CharField(
        max_length=200,
        help_text="The customer reads it.",
        error_messages={"required": "Say why it is refunded."},
    )

    def __init__(self, *args: Any, credits_left: Sequence[tuple[Invoice | None, str]], **kwargs: Any) -> None:
        """`credits_left`: where credit is left, None for the payment itself, each with what it is called."""
        super().__init__(*args, **kwargs)
        self.sources = {str(credit.pk) if credit else "own": credit for credit, _ in credits_left}
        cast(forms.ChoiceField, self.fields["source"]).choices = [
            (str(credit.pk) if credit else "own", label) for credit, label in credits_left
        ]

    @property
    def credit(self) -> Invoice | None:
        """The note or invoice that it comes from, None for the payment itself; the form is valid."""
        return self.sources[self.cleaned_data["source"]]


class SentForm(forms.Form):
    """Under which reference a refund was transferred."""

    reference = forms.CharField(
        max_length=80,
        label="Reference of the transfer",
        error_messages={"required": "Enter the reference of the transfer."},
    )


class ReasonForm(forms.Form):
    """Why something is not done, or not waited for."""

    reason = forms.CharField(max_length=200, error_messages={"required": "Say why."})


class BankUploadForm(forms.Form):
    """A bank's file."""

    file = forms.FileField(
        label="CSV file",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="Up to 5,000 lines. Nothing is booked before you have seen what would become of each line.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
    )

    def clean_file(self) -> Any:
        """Not larger than what can be judged at once."""
        file = self.cleaned_data["file"]
        if (file.size or 0) > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 5 MB. Split it.")
        return file


class BankLineFilter(forms.Form):
    """What the bank's lines are narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search transfers",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Payer, text or id"}),
    )
    state = forms.ChoiceField(
        required=False,
        choices=(
            ("", "Unmatched"),
            ("booked", "Booked"),
            ("dismissed", "Dismissed"),
            ("matched", "To be booked"),
            ("all", "All"),
        ),
    )
    first = _day("From")
    last = _day("To")
