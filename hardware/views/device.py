"""One device: how it stands and what to do about it, who gets it, and where it is in an emergency (ORD-6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import show_refusal
from accounts.models import Location
from accounts.permissions import ADMINS, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from hardware.devices import acknowledge_location, assign_device
from hardware.facts import standing_of
from hardware.forms import AssignForm, AssignToForm, EmergencyForm
from hardware.models import Device
from hardware.provisioning import file_name, server_address
from hardware.queries import (
    account_devices,
    device_choice,
    device_choices,
    history_of,
    holder_choice,
    holder_named,
    holders_to_choose,
    usual_location,
)
from telephony.queries import Choice
from telephony.views.choosing import Group, search_of
from telephony.views.number import holder_url

if TYPE_CHECKING:
    from django import forms
    from django.http import HttpResponse

    from hardware.devices import Holder

ACTIONS: Final = ["GET", "HEAD", "POST"]


@dataclass(frozen=True, slots=True)
class Choosing:
    """What the page `hardware/device_choose.html` shows, beside its form.

    `name` is the field that is chosen from `groups`, `more` the names of the fields below it; `kept` goes along
    with the search. `empty` says what to do where there is nothing to choose, with `empty_url` to do it.
    """

    title: str
    lead: str
    back_url: str
    back_label: str
    submit: str
    name: str
    legend: str
    search_label: str
    search: str
    groups: Sequence[Group]
    has_more: bool
    more: Sequence[str] = ()
    empty: str = ""
    empty_url: str = ""
    empty_label: str = ""
    kept: Sequence[tuple[str, str]] = ()

    @property
    def is_found(self) -> bool:
        """Whether there is something to choose."""
        return any(group.choices for group in self.groups)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to choose, also without a search."""
        return not self.search and not self.is_found


def own_device(request: AccountRequest, pk: int) -> Device:
    """The account's device by its key; 404 for another account's (ACC-4)."""
    devices = Device.objects.select_related("account", "product", "end_user", "service", "location")
    return get_object_or_404(devices, pk=pk, account=request.account)


def device_in_use(request: AccountRequest, pk: int) -> Device:
    """As `own_device`, and 404 for one that is retired: nothing is done with it any more."""
    found = own_device(request, pk)
    if found.retired_on is not None:
        raise Http404
    return found


def device_url(request: AccountRequest, pk: int) -> str:
    """The page of a device."""
    return reverse("hardware:device", kwargs={"account": request.account.slug, "pk": pk})


@require_safe
@account_page()
def device(request: AccountRequest, pk: int) -> HttpResponse:
    """One device: which of the three facts is missing and what to do, its place, its address, its history."""
    devices = Device.objects.select_related(
        "account", "product", "end_user", "service", "location", "units__shipment"
    )
    found = get_object_or_404(devices, pk=pk, account=request.account)
    may_read_trail = request.membership_role is None or request.membership_role in ADMINS
    is_in_use = found.retired_on is None
    context = {
        "device": found,
        "standing": standing_of(found),
        "holder_url": holder_url(request, found.holder),
        "has_moved": found.location is not None and found.location.address.words != found.e911_address,
        "shipment": found.units.shipment if found.units else None,
        "server_address": server_address(found) if request.can_write and is_in_use else "",
        "file_name": file_name(found),
        "history": history_of(found) if may_read_trail else [],
    }
    return render(request, "hardware/device.html", context)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_assign(request: AccountRequest, pk: int) -> HttpResponse:
    """Assign a device, or move it from the one who has it, with its emergency location acknowledged."""
    found = device_in_use(request, pk)
    sent = _sent(request, "to")
    holder = holder_named(request.account, sent.get("to", "")) if sent is not None else None
    form = AssignForm(
        request.POST if request.method == "POST" else None,
        account=request.account,
        initial={"location": found.location or _usual(request, holder)},
    )
    if request.method == "POST" and form.is_valid():
        if holder is None:
            form.add_error("to", "Choose somebody of the list.")
        elif _assigned(request, form, found, holder):
            return redirect(device_url(request, pk))
    search = search_of(request)
    people, lines, has_more = holders_to_choose(request.account, search, but=found.holder)
    choosing = Choosing(
        title=f"{'Move' if found.holder else 'Assign'} {found.product}",
        lead=f"{found.mac}. "
        + (f"Now with {found.holder}." if found.holder else "It is active once it has started afterwards."),
        back_url=device_url(request, pk),
        back_label=str(found),
        submit="Move device" if found.holder else "Assign device",
        name="to",
        legend="Who gets it",
        search_label="Search users and lines",
        search=search,
        groups=with_chosen(
            [Group("Users", people), Group("Resource lines and fax lines", lines)],
            holder_choice(holder) if holder is not None else None,
        ),
        has_more=has_more,
        more=("location", "is_acknowledged"),
        empty="There is nobody to give it to yet. Add a user, a resource line or a fax line first.",
        empty_url=reverse("accounts:end-user-add", kwargs={"account": request.account.slug}),
        empty_label="Add user",
    )
    return show_choosing(request, form, choosing)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def assign_to(request: AccountRequest) -> HttpResponse:
    """Give an end user or a line, named by `to`, one of the devices that nobody has."""
    token = request.POST.get("to") or request.GET.get("to", "")
    holder = holder_named(request.account, token)
    if holder is None:
        raise Http404
    free = account_devices(request.account, missing="assigned")
    chosen = chosen_of(request, free)
    form = AssignToForm(
        request.POST if request.method == "POST" else None,
        account=request.account,
        initial={"location": _usual(request, holder)},
    )
    if request.method == "POST" and form.is_valid():
        if chosen is None:
            form.add_error("device", "Choose a device of the list.")
        elif _assigned(request, form, chosen, holder):
            return redirect(holder_url(request, holder))
    search = search_of(request)
    choices, has_more = device_choices(account_devices(request.account, missing="assigned", search=search))
    choosing = Choosing(
        title=f"Assign a device to {holder}",
        lead="One that nobody has. To take one from somebody else, move it from the device’s own page.",
        back_url=holder_url(request, holder),
        back_label=str(holder),
        submit="Assign device",
        name="device",
        legend="Devices",
        search_label="Search model, MAC or serial",
        search=search,
        groups=with_chosen([Group("", choices)], device_choice(chosen) if chosen else None),
        has_more=has_more,
        more=("location", "is_acknowledged"),
        empty="Every device is with somebody. A phone that you order is here once it has shipped.",
        empty_url=reverse("hardware:devices", kwargs={"account": request.account.slug}),
        empty_label="All devices",
        kept=[("to", token)],
    )
    return show_choosing(request, form, choosing)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_location(request: AccountRequest, pk: int) -> HttpResponse:
    """Say where an assigned device is in an emergency, or acknowledge an address that has changed."""
    found = device_in_use(request, pk)
    if found.holder is None:
        messages.info(request, f"{found} is with nobody. Its emergency location is chosen with its holder.")
        return redirect(device_url(request, pk))
    form = EmergencyForm(
        request.POST if request.method == "POST" else None,
        account=request.account,
        initial={"location": found.location},
    )
    if form.is_valid():
        try:
            acknowledge_location(found, **form.cleaned_data, actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "The emergency location is acknowledged.")
            return redirect(device_url(request, pk))
    return render(request, "hardware/device_location.html", {"form": form, "device": found})


def show_choosing(request: AccountRequest, form: forms.Form, choosing: Choosing) -> HttpResponse:
    """Draw the page on which one of many is chosen."""
    context = {
        "form": form,
        "choosing": choosing,
        "field": form[choosing.name],
        "more": [form[name] for name in choosing.more],
        "has_locations": "location" not in choosing.more or _locations(request).exists(),
    }
    return render(request, "hardware/device_choose.html", context)


def chosen_of(request: AccountRequest, devices: Any) -> Device | None:
    """The one of these devices that was sent or stands in the address, or None (ACC-4)."""
    sent = _sent(request, "device")
    key = sent.get("device", "") if sent is not None else ""
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        return None
    found: Device | None = devices.select_related("account").filter(pk=int(key)).first()
    return found


def with_chosen(groups: list[Group], chosen: Choice | None) -> list[Group]:
    """The groups with the choice marked; one that the search does not show stands before them."""
    if chosen is None:
        return groups
    marked = [
        Group(
            group.label,
            [replace(choice, is_chosen=choice.value == chosen.value) for choice in group.choices],
        )
        for group in groups
    ]
    if any(choice.is_chosen for group in marked for choice in group.choices):
        return marked
    return [Group("Chosen", [replace(chosen, is_chosen=True)]), *marked]


def _assigned(
    request: AccountRequest, form: AssignForm | AssignToForm, device: Device, holder: Holder
) -> bool:
    """Whether the device was assigned; a refusal is shown by the form."""
    try:
        assign_device(
            device,
            to=holder,
            location=form.cleaned_data["location"],
            is_acknowledged=form.cleaned_data["is_acknowledged"],
            actor=Actor.of(request),
            at=request.at,
        )
    except Refused as refusal:
        shown = refusal
        if refusal.field == "to" and isinstance(form, AssignToForm):
            shown = Refused(refusal.message, rule=refusal.rule)
        show_refusal(form, shown)
        return False
    messages.success(request, f"{device} is with {holder}. Start it again, so that it takes this over.")
    return True


def _sent(request: AccountRequest, name: str) -> Mapping[str, str] | None:
    sent = request.POST if request.method == "POST" else request.GET
    return sent if name in sent else None


def _locations(request: AccountRequest) -> Any:
    return Location.objects.filter(account=request.account)


def _usual(request: AccountRequest, holder: Holder | None) -> Location | None:
    return usual_location(list(_locations(request)[:2]), holder)
