"""Forms of the contact center's pages. What the rules say is asked by the actions, not here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from django import forms
from django.core.exceptions import ValidationError

from billing.licences import MOST_UNITS
from telephony.bulk import MOST_AT_ONCE
from telephony.forms import Several
from telephony.models import Edition, NumberKind

USER_ACTIONS: Final = {"assign": "Assign Contact Center", "unassign": "Unassign"}
WITH: Final = "with"
WITHOUT: Final = "without"
BARRED: Final = "barred"
_QUANTITY: Final = f"Enter a whole number from 1 to {MOST_UNITS:,}."


class InstallForm(forms.Form):
    """Which edition is installed."""

    edition = forms.ChoiceField(
        choices=Edition.choices,
        error_messages={
            "required": "Choose an edition.",
            "invalid_choice": "Choose one of the editions on offer.",
        },
    )


class ItemForm(forms.Form):
    """Something of the subscription, and how many of it."""

    product = forms.ChoiceField(
        label="What",
        error_messages={
            "required": "Choose what it is about.",
            "invalid_choice": "This cannot be chosen. Choose one of the list.",
        },
    )
    quantity = forms.IntegerField(
        min_value=1,
        max_value=MOST_UNITS,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _QUANTITY),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, products: Mapping[str, str], **kwargs: Any) -> None:
        """`products`: what can be chosen, code and label."""
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["product"]).choices = list(products.items())


class StorageForm(forms.Form):
    """Which package of recording storage; the page offers them, this keeps the choice."""

    product = forms.CharField(
        label="Recording storage",
        max_length=40,
        error_messages={"required": "Choose a storage package."},
        widget=forms.HiddenInput,
    )


class PackageForm(forms.Form):
    """Which toll-free package; the page offers them, this keeps the choice."""

    package = forms.CharField(
        label="Toll-free package",
        max_length=40,
        error_messages={"required": "Choose a package, or pay per use."},
        widget=forms.HiddenInput,
    )


class ContactCenterUserFilter(forms.Form):
    """What the list of users can be narrowed to."""

    q = forms.CharField(label="Search users", required=False, max_length=100)
    contact_center = forms.ChoiceField(
        label="Contact Center",
        required=False,
        choices=[
            ("", "With and without"),
            (WITH, "With Contact Center"),
            (BARRED, "With it, but no access"),
            (WITHOUT, "Without"),
        ],
    )


class ContactCenterNumberFilter(forms.Form):
    """What the list of the contact center's numbers can be narrowed to."""

    q = forms.CharField(label="Search numbers", required=False, max_length=100)
    kind = forms.ChoiceField(required=False, choices=[("", "Local and toll-free"), *NumberKind.choices])


class UsersForm(forms.Form):
    """An action on the users who were chosen in the list."""

    action = forms.ChoiceField(
        choices=list(USER_ACTIONS.items()),
        widget=forms.HiddenInput,
        error_messages={"required": "Choose what to do.", "invalid_choice": "Choose what to do."},
    )
    selected = Several(error_messages={"required": "Choose at least one user first."})

    def clean_selected(self) -> list[int]:
        """Keys of end users; what is none is left out."""
        texts: list[str] = self.cleaned_data["selected"]
        keys = [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]
        if not keys:
            raise ValidationError("Choose at least one user first.")
        if len(keys) > MOST_AT_ONCE:
            raise ValidationError(f"Choose at most {MOST_AT_ONCE} users at a time.")
        return keys
