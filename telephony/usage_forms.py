"""Forms of the staff's pages of usage imports."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from billing.models import UsageImport


class ImportForm(forms.Form):
    """A file of usage. What is wrong in it is found line by line, when it is read."""

    file = forms.FileField(
        label="CSV file",
        max_length=200,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv", "data-says-size": ""}),
        help_text="Of any size. Bad lines are refused one by one, and the good ones are kept.",
        error_messages={
            "required": "Choose a file.",
            "empty": "The file is empty.",
            "max_length": "The file's name is longer than 200 characters.",
        },
    )


class ImportFilter(forms.Form):
    """What the list of imports is narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search imports",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "File name, or who sent it"}),
    )
    state = forms.ChoiceField(required=False, choices=[("", "Any state"), *UsageImport.State.choices])
    source = forms.ChoiceField(required=False, choices=[("", "Any way"), *UsageImport.Source.choices])
    refused = forms.ChoiceField(
        label="Refused lines",
        required=False,
        choices=[("", "With or without"), ("yes", "With refused lines")],
    )


class FaultFilter(forms.Form):
    """What the refused lines of an import are narrowed to."""

    q = forms.CharField(
        label="Search refused lines",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Reason, or part of the line"}),
    )
    field = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, fields: list[str]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["field"]).choices = [
            ("", "Any field"),
            *((name or "-", name or "The whole line") for name in fields),
        ]
