"""Forms of the pages of plans. What the rules say is asked by the actions, not here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from django import forms

from billing.engine.plans import CYCLES
from billing.licences import MOST_UNITS
from billing.models import PaymentMethod
from billing.plan_words import Expiry, Package, expiry_of, months_words, percent_words

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSFER: Final = "transfer"
_QUANTITY: Final = f"Enter a whole number from 1 to {MOST_UNITS:,}."


class PackageForm(forms.Form):
    """A package, and how many accounts of it."""

    package = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a package.", "invalid_choice": "Choose a package of the list."},
    )
    quantity = forms.IntegerField(
        min_value=1,
        max_value=MOST_UNITS,
        error_messages={
            "required": _QUANTITY,
            "invalid": _QUANTITY,
            "min_value": _QUANTITY,
            "max_value": _QUANTITY,
        },
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": MOST_UNITS, "step": 1}),
        help_text="How many accounts of the package you need.",
    )

    def __init__(self, *args: Any, packages: Sequence[Package], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.packages = packages
        cast(forms.ChoiceField, self.fields["package"]).choices = [
            (package.product.pk, package.product.name) for package in packages
        ]

    def package_cards(self) -> Iterator[tuple[Any, Package]]:
        """Each package's radio button with what its card says."""
        return zip(self["package"], self.packages, strict=True)


class PlanForm(PackageForm):
    """A package, how many accounts of it, and for how long at a time (PLN-3)."""

    months = forms.TypedChoiceField(
        label="Billing cycle",
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a cycle.", "invalid_choice": "Choose a cycle of the list."},
        help_text="The longer the cycle, the higher the discount.",
    )

    def __init__(self, *args: Any, discounts: Mapping[int, Decimal], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.discounts = discounts
        cast(forms.TypedChoiceField, self.fields["months"]).choices = [
            (months, months_words(months)) for months in CYCLES
        ]

    def cycle_cards(self) -> Iterator[tuple[Any, str]]:
        """Each cycle's radio button with its discount in words, "" where there is none."""
        shares = [self.discounts[months] for months in CYCLES]
        words = [percent_words(share) if share else "" for share in shares]
        return zip(self["months"], words, strict=True)


class PayForm(forms.Form):
    """By which saved card something is paid, or by bank transfer."""

    method = forms.ChoiceField(
        label="Payment method",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose how to pay.", "invalid_choice": "Choose a card of the list."},
    )

    def __init__(
        self, *args: Any, cards: Iterable[PaymentMethod], takes_transfer: bool, at: datetime, **kwargs: Any
    ) -> None:
        """`at`: the instant that counts as now, for what is said of cards that expire."""
        super().__init__(*args, **kwargs)
        self.at = at
        self.cards = {str(card.pk): card for card in cards}
        choices = [(key, str(card)) for key, card in self.cards.items()]
        if takes_transfer:
            choices.append((TRANSFER, "Bank transfer"))
        cast(forms.ChoiceField, self.fields["method"]).choices = choices

    def ways(self) -> Iterator[tuple[Any, PaymentMethod | None, Expiry | None]]:
        """Each way's radio button with its card and when that expires; None and None for the transfer."""
        cards: list[PaymentMethod | None] = [*self.cards.values(), None]
        for radio, card in zip(self["method"], cards, strict=False):
            yield radio, card, None if card is None else expiry_of(card, self.at)

    @property
    def has_ways(self) -> bool:
        """Whether there is anything to choose from."""
        return bool(cast(forms.ChoiceField, self.fields["method"]).choices)

    @property
    def card(self) -> PaymentMethod | None:
        """The card that was chosen, None for the transfer."""
        return self.cards.get(self.cleaned_data["method"])
