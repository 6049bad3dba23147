"""Forms of the pages of locations."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from accounts.addresses import Address, countries, faults_of, tidy
from accounts.models import Location

COMPLETE, INCOMPLETE = "complete", "incomplete"


class LocationForm(forms.Form):
    """A location's name and emergency address; what is wrong with the address is said of all fields at once."""

    name = forms.CharField(
        max_length=80,
        error_messages={"required": "Enter a name, like Head office."},
        help_text="What your people call it. Nobody else sees it.",
    )
    country = forms.ChoiceField(initial="US")
    street = forms.CharField(
        label="Street and house number",
        max_length=120,
        error_messages={"required": "Enter the street and the house number, where help has to come."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="With floor and suite where there are some, like 1 Main Street, floor 2.",
    )
    city = forms.CharField(max_length=80, error_messages={"required": "Enter the city."})
    region = forms.CharField(
        label="State, province or region",
        max_length=40,
        required=False,
        help_text="Needed in the United States and Canada: its two letters or its name.",
    )
    postal_code = forms.CharField(
        max_length=16,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Needed in the United States and Canada.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["country"]).choices = list(countries().items())

    def clean(self) -> dict[str, Any]:
        """Add the faults of the address, each by its field."""
        cleaned = super().clean() or self.cleaned_data
        for fault in faults_of(self.address()):
            if not self.has_error(fault.field):
                self.add_error(fault.field, fault.message)
        return cleaned

    def address(self) -> Address:
        """The address as it was typed, tidied."""
        typed = {
            name: self.cleaned_data.get(name, "")
            for name in ("street", "city", "region", "postal_code", "country")
        }
        return tidy(Address(**typed))


def initial_of(location: Location) -> dict[str, str]:
    """What the form begins with for a location that is there already."""
    fields = ("name", "street", "city", "region", "postal_code", "country")
    return {field: getattr(location, field) for field in fields}


class LocationFilter(forms.Form):
    """What the list of locations can be narrowed to."""

    q = forms.CharField(
        label="Search locations",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Search name, street, city, postal code"}),
    )
    address = forms.ChoiceField(
        required=False,
        choices=[("", "All addresses"), (COMPLETE, "Complete"), (INCOMPLETE, "Incomplete")],
    )
