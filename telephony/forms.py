"""Forms of numbers and services. What the rules say is asked by the actions, not here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from django import forms
from django.core.exceptions import ValidationError

from accounts.extensions import example
from accounts.models import Account
from telephony.bulk import MOST_AT_ONCE
from telephony.models import NumberKind, NumberState, ServiceKind
from telephony.queries import CostKind
from telephony.services import ADDABLE

BULK_ACTIONS: Final = {"park": "Park", "release": "Release"}


class NumberFilter(forms.Form):
    """What the list of numbers can be narrowed to. What it does not know, it leaves aside."""

    q = forms.CharField(label="Search numbers", required=False, max_length=100)
    state = forms.ChoiceField(
        required=False,
        choices=[("", "Assigned and parked"), *NumberState.choices],
    )
    kind = forms.ChoiceField(required=False, choices=[("", "Any kind"), *NumberKind.choices])
    cost = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Any cost"),
            (CostKind.INCLUDED.value, "Included"),
            (CostKind.ADDITIONAL.value, "Additional"),
            (CostKind.FREE.value, "Parked, free for now"),
            (CostKind.PARKED.value, "Parked, billed"),
        ],
    )


class ServiceFilter(forms.Form):
    """What the list of services can be narrowed to."""

    q = forms.CharField(label="Search services", required=False, max_length=100)
    kind = forms.ChoiceField(required=False, choices=[("", "All kinds"), *ServiceKind.choices])


class Several(forms.Field):
    """Any number of texts, from boxes that share a name."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        """The texts as they came, each once."""
        return list(dict.fromkeys(value or ()))


class AddNumbersForm(forms.Form):
    """Numbers picked from the inventory, or one that is typed in, or both."""

    picks = Several(label="Numbers in stock", required=False)
    number = forms.CharField(
        label="A number you have already",
        required=False,
        max_length=40,
        help_text="In any usual form, like (212) 555-0100. For a number outside the US and Canada begin with +.",
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        """At least one number, and not more than one action takes."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("picks") and not cleaned.get("number") and not self.errors:
            raise ValidationError("Pick a number from the stock, or type one that you have already.")
        return cleaned


class AreaForm(forms.Form):
    """The beginning of an area code."""

    area = forms.RegexField(
        r"^[(+\s]*(1[\s(-]*)?(?P<code>[2-9]\d{0,2})?[)\s]*$",
        label="Area code",
        required=False,
        max_length=12,
        error_messages={"invalid": "An area code has three digits, like 212."},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "type": "search"}),
    )

    def clean_area(self) -> str:
        """The digits alone."""
        digits = "".join(filter(str.isdigit, self.cleaned_data["area"]))
        return digits.removeprefix("1")


class AssignForm(forms.Form):
    """Who gets a number: the page offers the holders, this keeps the choice."""

    to = forms.CharField(
        label="Assign to",
        max_length=40,
        error_messages={"required": "Choose who gets the number."},
        widget=forms.HiddenInput,
    )


class NumberChoiceForm(forms.Form):
    """One of the account's numbers: the page offers them, this keeps the choice."""

    number = forms.IntegerField(
        label="Number",
        min_value=1,
        max_value=2**63 - 1,
        error_messages={"required": "Choose a number.", "invalid": "Choose a number of the list."},
        widget=forms.HiddenInput,
    )


class BulkForm(forms.Form):
    """An action on the rows that were chosen in the list."""

    action = forms.ChoiceField(
        choices=list(BULK_ACTIONS.items()),
        widget=forms.HiddenInput,
        error_messages={"required": "Choose what to do.", "invalid_choice": "Choose what to do."},
    )
    selected = Several(error_messages={"required": "Choose at least one number first."})

    def clean_selected(self) -> list[int]:
        """Keys of numbers; what is none is left out."""
        texts: Sequence[str] = self.cleaned_data["selected"]
        keys = [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]
        if not keys:
            raise ValidationError("Choose at least one number first.")
        if len(keys) > MOST_AT_ONCE:
            raise ValidationError(f"Choose at most {MOST_AT_ONCE} numbers at a time.")
        return keys


class EditServiceForm(forms.Form):
    """The name and extension of a service; its kind stays."""

    name = forms.CharField(
        max_length=80,
        help_text="As it stands in lists and on invoices.",
        error_messages={"required": "Enter a name for the service."},
    )
    extension = forms.CharField(
        max_length=8,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        extension = self.fields["extension"]
        length = account.extension_length
        extension.help_text = f"{length} digits, like {example(account)}. Nobody else may have it."


class ServiceForm(EditServiceForm):
    """A new service."""

    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in ADDABLE],
        error_messages={
            "required": "Choose what kind of service it is.",
            "invalid_choice": "Choose one of the kinds of service on offer.",
        },
    )

    field_order = ("kind", "name", "extension")


def chosen_kind(form: forms.Form) -> ServiceKind | None:
    """The kind of service that a form, bound or not, stands on."""
    value = cast("str | None", form["kind"].value())
    return ServiceKind(value) if value in {kind.value for kind in ADDABLE} else None
