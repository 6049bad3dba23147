"""What the lists of the usage pages can be narrowed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms


class ShareFilter(forms.Form):
    """What a list of sums by number, holder, subscription or day can be narrowed to."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Search number, user, service, subscription"}),
    )
    meter = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, meters: Mapping[str, str]) -> None:
        """`meters` are the names of those that are in the list, by code."""
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["meter"]).choices = [("", "All meters"), *meters.items()]


class RecordFilter(ShareFilter):
    """What the list of single records can be narrowed to."""

    number = forms.CharField(required=False, max_length=20, widget=forms.TextInput(attrs={"type": "tel"}))
    first = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any, *, meters: Mapping[str, str]) -> None:
        super().__init__(data, meters=meters)
        search = self.fields["q"]
        search.label = "Search records"
        search.widget.attrs["placeholder"] = "Search number, user, service"
