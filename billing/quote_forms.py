"""Forms of quotes: composing one, looking ahead, and what the customer says to it. Rules are asked by the actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.forms import BoundField

from accounts.models import Brand, known_timezones
from billing.licences import MOST_UNITS
from billing.models import Family, Product, QuoteState
from billing.quote_drafts import Details
from billing.quotes import editions

LANGUAGES: Final = (("en-us", "English"), ("nl", "Dutch"), ("de", "German"))
FURTHEST: Final = timedelta(days=2 * 366)
_DAY: Final = "Enter a date."
_UNITS: Final = f"Enter a whole number up to {MOST_UNITS:,}, or leave it empty."
_PRICE: Final = "Enter an amount, like 24.95, or leave it empty for the list price."
_BDOM: Final = "Enter a day from 1 to 31, or leave it empty."


def _date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def _zones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(known_timezones()) if "/" in name or name == "UTC"]


@dataclass(frozen=True, slots=True)
class Row:
    """A product of the form: its fields, and what it costs by the list; None where the list has no price."""

    product: Product
    quantity: BoundField
    price: BoundField
    listed: Decimal | None


class ForecastForm(forms.Form):
    """The two days on which a forecast stands."""

    accepted_on = forms.DateField(
        label="Accepted on", widget=_date_input(), error_messages={"required": _DAY, "invalid": _DAY}
    )
    shipped_on = forms.DateField(
        label="Shipped on",
        required=False,
        widget=_date_input(),
        error_messages={"invalid": _DAY},
        help_text="Empty: nothing ships by then.",
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_accepted_on(self) -> date:
        """A day that a forecast can reach."""
        return self._near("accepted_on")

    def clean_shipped_on(self) -> date | None:
        """A day that a forecast can reach, if there is one."""
        return self._near("shipped_on") if self.cleaned_data["shipped_on"] else None

    def _near(self, name: str) -> date:
        on: date = self.cleaned_data[name]
        if abs(on - self.today) > FURTHEST:
            raise forms.ValidationError("Enter a day within two years of today.")
        return on


class QuoteForm(ForecastForm):
    """A quote as a representative composes it. The agreed price of a product is that of the list where it is empty."""

    company = forms.CharField(max_length=120, error_messages={"required": "Enter the company's name."})
    contact_name = forms.CharField(
        label="Contact", max_length=120, error_messages={"required": "Enter the contact's name."}
    )
    contact_email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        help_text="The quote is sent here. Whoever accepts it, the contact becomes the owner of the account.",
        error_messages=dict.fromkeys(
            ("required", "invalid"), "Enter an e-mail address, like name@example.com."
        ),
    )
    brand = forms.ModelChoiceField(
        Brand.objects.none(),
        empty_label=None,
        to_field_name="slug",
        error_messages={"required": "Choose a brand."},
    )
    currency = forms.ChoiceField(choices=lambda: [(code, code) for code in settings.CURRENCIES])
    timezone = forms.ChoiceField(label="Time zone", choices=_zones, initial="America/New_York")
    language = forms.ChoiceField(choices=LANGUAGES)
    bdom = forms.IntegerField(
        label="Billing day",
        required=False,
        min_value=1,
        max_value=31,
        help_text="1 to 31. Empty: the day of acceptance.",
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), _BDOM),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    edition = forms.ChoiceField(label="Contact center", required=False)
    billing_address = forms.CharField(
        required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    shipping_address = forms.CharField(
        required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    terms = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 4}))
    valid_until = forms.DateField(
        label="Valid until",
        widget=_date_input(),
        help_text="The last day on which it can be accepted.",
        error_messages={"required": _DAY, "invalid": _DAY},
    )

    def __init__(self, *args: Any, products: Sequence[Product], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.products = products
        cast("forms.ModelChoiceField[Brand]", self.fields["brand"]).queryset = Brand.objects.order_by("name")
        cast(forms.ChoiceField, self.fields["edition"]).choices = [
            ("", "None"),
            *((code, name) for code, name in editions.items()),
        ]
        for product in products:
            self.fields[f"quantity-{product.pk}"] = forms.IntegerField(
                label=f"{product.name}: quantity",
                min_value=0,
                max_value=MOST_UNITS,
                required=False,
                error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), _UNITS),
                widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
            )
            self.fields[f"price-{product.pk}"] = forms.DecimalField(
                label=f"{product.name}: agreed price",
                min_value=0,
                max_digits=12,
                decimal_places=8,
                required=False,
                error_messages=dict.fromkeys(
                    ("invalid", "min_value", "max_digits", "max_decimal_places", "max_whole_digits"), _PRICE
                ),
                widget=forms.NumberInput(attrs={"step": "any", "min": "0", "autocomplete": "off"}),
            )

    def clean_valid_until(self) -> date | None:
        """A day that is not over anywhere; whether it is where the customer is, sending asks."""
        day: date | None = self.cleaned_data["valid_until"]
        if day is not None and not self.today - timedelta(days=1) <= day <= self.today + FURTHEST:
            raise forms.ValidationError("Enter a day from today on, within two years.")
        return day

    def is_enough(self) -> bool:
        """Whether a forecast can be made of it: that may come before the company has a name."""
        later = [self.fields[name] for name in ("company", "contact_name", "contact_email", "valid_until")]
        for field in later:
            field.required = False
        is_enough = self.is_valid()
        for field in later:
            field.required = True
        return is_enough

    def details(self, valid_until: date) -> Details:
        """What was said besides the lines; `valid_until` where that was left open."""
        cleaned = self.cleaned_data
        return Details(
            brand=cleaned["brand"],
            company=cleaned["company"] or "–",
            contact_name=cleaned["contact_name"] or "–",
            contact_email=cleaned["contact_email"],
            currency=cleaned["currency"],
            timezone=cleaned["timezone"],
            language=cleaned["language"],
            valid_until=cleaned["valid_until"] or valid_until,
            bdom=cleaned["bdom"],
            edition=cleaned["edition"],
            billing_address=_plain(cleaned["billing_address"]),
            shipping_address=_plain(cleaned["shipping_address"]),
            terms=_plain(cleaned["terms"]),
        )

    def items(self, listed: Mapping[str, Decimal]) -> dict[Product, tuple[int, Decimal]]:
        """Quantity and price of each product that is in the quote; a product without any price gets an error."""
        found = {}
        for product in self.products:
            quantity = self.cleaned_data.get(f"quantity-{product.pk}")
            if not quantity:
                continue
            price = self.cleaned_data.get(f"price-{product.pk}")
            price = listed.get(product.pk) if price is None else price
            if price is None:
                self.add_error(f"price-{product.pk}", "The list has no price for it. Enter what was agreed.")
            else:
                found[product] = (quantity, price)
        return found

    def shelves(self, listed: Mapping[str, Decimal]) -> list[tuple[str, list[Row], bool]]:
        """The products by shelf of the catalogue, with their fields; whether the shelf is open at first."""
        found: dict[str, list[Row]] = {}
        for product in self.products:
            price = listed.get(product.pk)
            if price is not None:
                self.fields[f"price-{product.pk}"].widget.attrs["placeholder"] = format(
                    price.normalize(), "f"
                )
            row = Row(product, self[f"quantity-{product.pk}"], self[f"price-{product.pk}"], price)
            found.setdefault(Family(product.family).label, []).append(row)
        usual = {Family(family).label for family in (Family.LICENCE, Family.HARDWARE, Family.SHIPPING)}
        return [
            (label, rows, label in usual or any(row.quantity.value() or row.price.errors for row in rows))
            for label, rows in found.items()
        ]

    @property
    def customer_fields(self) -> list[BoundField]:
        """Whom it is for."""
        return [self[name] for name in ("company", "contact_name", "contact_email")]

    @property
    def account_fields(self) -> list[BoundField]:
        """What the account will be like."""
        return [self[name] for name in ("brand", "currency", "timezone", "language", "bdom", "edition")]

    @property
    def paper_fields(self) -> list[BoundField]:
        """What else stands on it."""
        return [self[name] for name in ("billing_address", "shipping_address", "terms", "valid_until")]

    @property
    def day_fields(self) -> list[BoundField]:
        """The days of the forecast."""
        return [self["accepted_on"], self["shipped_on"]]


class QuoteFilter(forms.Form):
    """What the list of quotes can be narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search quotes",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Search company, contact or number"}),
    )
    state = forms.ChoiceField(required=False, choices=[("", "Any state"), *QuoteState.choices])
    brand = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, brands: Iterable[Brand]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["brand"]).choices = [
            ("", "All brands"),
            *((brand.slug, brand.name) for brand in brands),
        ]


class AcceptForm(forms.Form):
    """Who accepts."""

    by = forms.CharField(
        label="Your name",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Type your name to accept."},
    )


class DeclineForm(forms.Form):
    """Who declines, and why."""

    prefix = "decline"

    by = forms.CharField(
        label="Your name",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Type your name to decline."},
    )
    reason = forms.CharField(
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="It helps us to make a better offer.",
    )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
