"""Forms of finance's page of who owes: what the list is narrowed to, and what is done by hand (INV-6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from django import forms

from billing.dunning.standings import STATES

_DATE: Final = "Enter a date, like 2026-02-15."


class DunningFilter(forms.Form):
    """What the list is narrowed to."""

    q = forms.CharField(
        label="Search accounts",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Account"}),
    )
    brand = forms.ChoiceField(required=False)
    state = forms.ChoiceField(required=False, choices=(("", "All"), *STATES.items()))

    def __init__(self, data: Any, *, brands: Sequence[tuple[int, str]]) -> None:
        super().__init__(data)
        choices = [("", "All brands"), *((str(key), name) for key, name in brands)]
        cast(forms.ChoiceField, self.fields["brand"]).choices = choices


class SuspendForm(forms.Form):
    """Why an account is suspended by hand; its members read it."""

    reason = forms.CharField(
        max_length=200,
        help_text="A sentence that the account's members read on every page.",
        error_messages={"required": "Say why; the account's members read it."},
    )


class HoldForm(forms.Form):
    """Until when an account is let be, and why; without a day no longer."""

    until = forms.DateField(
        label="Hold until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="From this day of the account's own, reminders and suspension go on. Empty: they go on now.",
        error_messages={"invalid": _DATE},
    )
    reason = forms.CharField(
        max_length=200,
        help_text="For the trail: who agreed to what.",
        error_messages={"required": "Say why."},
    )


class LiftForm(HoldForm):
    """Why a suspension is lifted, and, while something is overdue, until when that is let be."""

    field_order = ("reason", "until")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        until = self.fields["until"]
        until.help_text = "Needed while something is overdue: before this day it is not suspended again."
