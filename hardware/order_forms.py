"""Forms of the pages of orders. What the rules say is asked by the actions, not here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import Account, Location
from billing.licences import MOST_UNITS
from billing.models import Family, Order, OrderState, Product
from hardware.forms import PlaceField
from hardware.orders import Cancelling
from hardware.shop import Offer, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.forms import BoundField

WAITS: Final = "waiting"


class OrderFilter(forms.Form):
    """What the list of orders can be narrowed to. What it does not know, it leaves aside."""

    q = forms.CharField(label="Search orders", required=False, max_length=100)
    state = forms.ChoiceField(
        required=False,
        choices=[
            ("", "All"),
            (WAITS, "Waits for shipment"),
            (OrderState.COMPLETED.value, "Completed"),
            (OrderState.CANCELLED.value, "Cancelled"),
        ],
    )


def quantity_field(label: str, most: int, **kwargs: Any) -> forms.IntegerField:
    """How many of something, from none on."""
    message = f"Enter a whole number from 0 to {most:,}."
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=most,
        error_messages={"invalid": message, "min_value": message, "max_value": message},
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 0, "max": most, "step": 1}),
        **kwargs,
    )


class BasketForm(forms.Form):
    """How many of each product, where hardware goes, and the customer's own reference."""

    basket = forms.UUIDField(widget=forms.HiddenInput)
    location = PlaceField(
        Location.objects.none(),
        label="Ship hardware to",
        required=False,
        empty_label="Choose a location",
        help_text="Needed for phones and accessories.",
        error_messages={"invalid_choice": "Choose a location of the list."},
    )
    area_code = forms.RegexField(
        r"^[2-9][0-9]{2}$",
        label="Area code of local numbers",
        required=False,
        help_text="Three digits, like 617. Empty: the area codes that you have come first.",
        error_messages={"invalid": "Enter an area code of three digits, like 617."},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "maxlength": "3"}),
    )
    reference = forms.CharField(
        label="Your reference",
        required=False,
        max_length=80,
        help_text="Such as the number of your purchase order.",
    )

    def __init__(self, *args: Any, account: Account, shelves: Sequence[Shelf], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shelves = shelves
        location = cast("forms.ModelChoiceField[Location]", self.fields["location"])
        location.queryset = Location.objects.filter(account=account)
        for shelf in shelves:
            for offer in shelf.offers:
                self.fields[offer.product.pk] = quantity_field(offer.product.name, MOST_UNITS)
        if "number-local" not in self.fields:
            del self.fields["area_code"]

    def rows(self) -> Iterator[tuple[str, list[tuple[Offer, BoundField]]]]:
        """The shelves, each offer with its field."""
        for shelf in self.shelves:
            yield shelf.label, [(offer, self[offer.product.pk]) for offer in shelf.offers]

    def items(self) -> list[tuple[Product, int, str]]:
        """What is in the basket, in the order of the page, with the area code where local numbers are."""
        offers = (offer for shelf in self.shelves for offer in shelf.offers)
        chosen = ((offer.product, self.cleaned_data.get(offer.product.pk) or 0) for offer in offers)
        code = self.cleaned_data.get("area_code") or ""
        return [
            (product, quantity, code if product.pk == "number-local" else "")
            for product, quantity in chosen
            if quantity
        ]

    def sent(self) -> list[tuple[str, str]]:
        """What was understood, to be sent once more."""
        basket: UUID = self.cleaned_data["basket"]
        location: Location | None = self.cleaned_data["location"]
        return [
            ("basket", str(basket)),
            ("location", str(location.pk) if location else ""),
            ("reference", self.cleaned_data["reference"]),
            ("area_code", self.cleaned_data.get("area_code", "")),
            *((product.pk, str(quantity)) for product, quantity, _ in self.items()),
        ]

    def clean(self) -> dict[str, Any]:
        """Something is in it."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not self.items():
            raise ValidationError("The basket is empty. Enter how many you want of something.", code="ORD-3")
        return cleaned


class CancelForm(forms.Form):
    """How many of each line that waits are cancelled, all of them unless somebody says otherwise."""

    def __init__(self, data: Any, *, order: Order) -> None:
        super().__init__(data)
        self.lines = [
            line
            for line in order.lines.select_related("product")
            if line.left and line.product.family == Family.HARDWARE
        ]
        for line in self.lines:
            field = quantity_field(line.product.name, line.left, initial=line.left)
            field.help_text = f"{line.left} not shipped yet."
            self.fields[f"line-{line.pk}"] = field
            self.fields[f"left-{line.pk}"] = forms.IntegerField(
                initial=line.left, widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1
            )

    def asked(self) -> dict[int, Cancelling]:
        """What is to be cancelled, by the line's number."""
        return {
            line.pk: Cancelling(
                self.cleaned_data[f"line-{line.pk}"] or 0, self.cleaned_data[f"left-{line.pk}"]
            )
            for line in self.lines
        }

    def look_again(self) -> None:
        """What was typed stays; how many wait is as it is now."""
        data = dict(self.data.items())
        for line in self.lines:
            data[f"left-{line.pk}"] = str(line.left)
        self.data = data
