"""Forms of ports. What the rules say is asked by the actions, not here."""

from __future__ import annotations

import re
from typing import Any, Final

from django import forms

from telephony.forms import Several
from telephony.models import PortDirection, PortState
from telephony.porting_queries import OPEN

_DAY: Final = "Give a day like 2026-11-30."


class PortFilter(forms.Form):
    """What the list of requests can be narrowed to. What it does not know, it leaves aside."""

    q = forms.CharField(label="Search requests", required=False, max_length=100)
    direction = forms.ChoiceField(required=False, choices=[("", "In and out"), *PortDirection.choices])
    state = forms.ChoiceField(
        required=False, choices=[("", "Any state"), (OPEN, "Open, all of them"), *PortState.choices]
    )


class PortForm(forms.Form):
    """What both ways have in common."""

    carrier = forms.CharField(max_length=80, error_messages={"required": "Name the other carrier."})
    authorised_by = forms.CharField(
        label="Who may speak for the numbers",
        max_length=120,
        help_text="Name and surname, as the other carrier has them in its books.",
        error_messages={"required": "Name who may speak for the numbers."},
    )
    wanted_on = forms.DateField(
        label="Wanted day",
        required=False,
        help_text="The carriers settle the day. Leave it empty for as soon as they can.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _DAY},
    )


class PortInForm(PortForm):
    """Numbers to bring along from another carrier."""

    numbers = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false"}),
        help_text="One a line, or with commas between. In any usual form, like (212) 555-0100.",
        error_messages={"required": "Enter the numbers that are to come."},
    )
    carrier_account = forms.CharField(
        label="Account number there",
        required=False,
        max_length=40,
        help_text="As it stands on the bill of your carrier now.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    field_order = ("numbers", "carrier", "carrier_account", "authorised_by", "wanted_on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["carrier"].help_text = "Who you have the numbers with now."

    def clean_numbers(self) -> list[str]:
        """The numbers as they were typed, each by itself."""
        return split_numbers(self.cleaned_data["numbers"])


class PortOutForm(PortForm):
    """Numbers of the account to take to another carrier."""

    numbers = Several(error_messages={"required": "Choose at least one number."})

    field_order = ("numbers", "carrier", "authorised_by", "wanted_on")


def split_numbers(text: str) -> list[str]:
    """What stands between line ends, commas and semicolons."""
    return [part.strip() for part in re.split(r"[\n\r,;]+", text) if part.strip()]
