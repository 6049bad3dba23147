"""Forms of the pages of devices. What the rules say is asked by the actions, not here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms

from accounts.models import Account, Location
from hardware.facts import Fact, State
from hardware.queries import INACTIVE, models_of

if TYPE_CHECKING:
    LocationField = forms.ModelChoiceField[Location]
else:
    LocationField = forms.ModelChoiceField


class DeviceFilter(forms.Form):
    """What the list of devices can be narrowed to. What it does not know, it leaves aside."""

    q = forms.CharField(label="Search devices", required=False, max_length=100)
    state = forms.ChoiceField(
        required=False,
        choices=[
            ("", "In use"),
            (State.ACTIVE.value, "Active"),
            (INACTIVE, "Not active"),
            (State.RETIRED.value, "Retired"),
        ],
    )
    missing = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Anything"),
            (Fact.ASSIGNED.value, "Assignment"),
            (Fact.CONNECTED.value, "Connection"),
            (Fact.REBOOTED.value, "Reboot"),
        ],
    )
    model = forms.ChoiceField(required=False)
    location = forms.ModelChoiceField(Location.objects.none(), required=False, empty_label="All locations")

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data)
        model = cast(forms.ChoiceField, self.fields["model"])
        model.choices = [("", "All models"), *models_of(account)]
        cast(LocationField, self.fields["location"]).queryset = Location.objects.filter(account=account)


class PlaceField(LocationField):
    """One of the account's locations, with its address."""

    def label_from_instance(self, obj: Location) -> str:
        """The name and the address, or that it is not complete."""
        return f"{obj.name}: {obj.address.words if obj.is_complete else 'address incomplete'}"


class EmergencyForm(forms.Form):
    """Where a device is in an emergency, and that somebody knows what follows from it."""

    location = PlaceField(
        Location.objects.none(),
        label="Emergency location",
        empty_label="Choose a location",
        help_text="Where the device will be. Emergency services are sent to this address.",
        error_messages={
            "required": "Choose where the device is in an emergency.",
            "invalid_choice": "Choose a location of the list.",
        },
    )
    is_acknowledged = forms.BooleanField(
        label="I confirm that emergency services will be sent to this address",
        required=False,
        help_text="Somebody has to change it here when the device moves.",
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(LocationField, self.fields["location"]).queryset = Location.objects.filter(account=account)


class AssignForm(EmergencyForm):
    """Who gets a device: the page offers the holders, this keeps the choice."""

    to = forms.CharField(
        label="Who gets it",
        max_length=40,
        error_messages={"required": "Choose who gets the device."},
        widget=forms.HiddenInput,
    )


class DeviceChoiceForm(forms.Form):
    """One of the account's devices: the page offers them, this keeps the choice."""

    device = forms.IntegerField(
        label="Device",
        min_value=1,
        max_value=2**63 - 1,
        error_messages={"required": "Choose a device.", "invalid": "Choose a device of the list."},
        widget=forms.HiddenInput,
    )


class AssignToForm(EmergencyForm, DeviceChoiceForm):
    """Which device somebody gets, and where it will be."""


class ReplaceForm(DeviceChoiceForm):
    """What takes the place of a broken device, and what becomes of that one."""

    retires = forms.BooleanField(
        label="Retire the broken device",
        required=False,
        help_text="It is out of use for good then. Leave the box empty if it will be repaired.",
    )
