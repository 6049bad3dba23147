"""What is done with a device that is in use: swapped, replaced, taken back, given a new secret, retired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.forms import show_refusal
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from hardware.devices import renew_secret, replace_device, retire_device, swap_devices, unassign_device
from hardware.facts import Fact
from hardware.forms import DeviceChoiceForm, ReplaceForm
from hardware.macs import written_mac
from hardware.models import Device
from hardware.queries import account_devices, device_choice, device_choices
from hardware.views.device import (
    ACTIONS,
    Choosing,
    chosen_of,
    device_in_use,
    device_url,
    show_choosing,
    with_chosen,
)
from telephony.views.choosing import Group, search_of

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_swap(request: AccountRequest, pk: int) -> HttpResponse:
    """Let two devices change places, as a single action."""
    found = device_in_use(request, pk)
    others = account_devices(request.account).exclude(pk=pk)
    if found.holder is None:
        others = others.filter(assigned_at__isnull=False)
    chosen = chosen_of(request, others)
    form = DeviceChoiceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if chosen is None:
            form.add_error("device", "Choose a device of the list.")
        else:
            try:
                swap_devices(found, chosen, actor=Actor.of(request), at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{found} and {chosen} have changed places. Start both again.")
                return redirect(device_url(request, pk))
    search = search_of(request)
    searched = account_devices(request.account, search=search).filter(pk__in=others.values("pk"))
    choices, has_more = device_choices(searched)
    choosing = Choosing(
        title=f"Swap {found.product}",
        lead=f"{found.mac}, {f'with {found.holder}' if found.holder else 'with nobody'}. "
        "Each takes over the other’s holder and emergency location.",
        back_url=device_url(request, pk),
        back_label=str(found),
        submit="Swap devices",
        name="device",
        legend="Swap it with",
        search_label="Search device or holder",
        search=search,
        groups=with_chosen([Group("", choices)], device_choice(chosen) if chosen else None),
        has_more=has_more,
        empty="There is no other device to swap it with.",
    )
    return show_choosing(request, form, choosing)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_replace(request: AccountRequest, pk: int) -> HttpResponse:
    """Let a device that nobody has take the place of a broken one."""
    found = device_in_use(request, pk)
    if found.holder is None:
        messages.info(request, f"{found} is with nobody, so there is nothing to take over.")
        return redirect(device_url(request, pk))
    free = account_devices(request.account, missing=Fact.ASSIGNED)
    chosen = chosen_of(request, free)
    form = ReplaceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if chosen is None:
            form.add_error("device", "Choose a device of the list.")
        else:
            retires = form.cleaned_data["retires"]
            try:
                new = replace_device(found, chosen, retires=retires, actor=Actor.of(request), at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{new} took the place of {found}. Start it again.")
                return redirect(device_url(request, new.pk))
    search = search_of(request)
    choices, has_more = device_choices(account_devices(request.account, missing=Fact.ASSIGNED, search=search))
    choosing = Choosing(
        title=f"Replace {found.product}",
        lead=f"{found.mac}, with {found.holder}. The new one takes over the holder and the emergency location.",
        back_url=device_url(request, pk),
        back_label=str(found),
        submit="Replace device",
        name="device",
        legend="What takes its place",
        search_label="Search model, MAC or serial",
        search=search,
        groups=with_chosen([Group("", choices)], device_choice(chosen) if chosen else None),
        has_more=has_more,
        more=("retires",),
        empty="Every device is with somebody. A phone that you order is here once it has shipped.",
    )
    return show_choosing(request, form, choosing)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_unassign(request: AccountRequest, pk: int) -> HttpResponse:
    """Ask, then take a device from its holder."""
    found = device_in_use(request, pk)
    if found.holder is None:
        messages.info(request, f"{found} is with nobody already.")
        return redirect(device_url(request, pk))
    return _confirmed(
        request,
        found,
        unassign_device,
        title=f"Take back {found.product}",
        consequences=[
            f"{found.holder} no longer has it.",
            "It stays yours, and can be assigned again. Its emergency location is acknowledged anew then.",
        ],
        submit="Take device back",
        done=f"{found} is with nobody.",
    )


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_secret(request: AccountRequest, pk: int) -> HttpResponse:
    """Ask, then give a device another secret."""
    found = device_in_use(request, pk)
    return _confirmed(
        request,
        found,
        renew_secret,
        title="New provisioning address",
        consequences=[
            "The address that it has now opens nothing any more.",
            "It is not active until the new one has been entered into it and it has started.",
        ],
        submit="Make new address",
        done=f"{found} has a new provisioning address. Enter it into the phone.",
    )


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def device_retire(request: AccountRequest, pk: int) -> HttpResponse:
    """Take a device out of use for good, once its MAC has been typed."""
    found = device_in_use(request, pk)
    error = ""
    if request.method == "POST" and not _is_same_mac(request.POST.get("confirm_name", ""), found):
        error = f"Type {found.mac} to confirm. Nothing was changed."
    held = [f"{found.holder} no longer has it."] if found.holder else []
    return _confirmed(
        request,
        found,
        retire_device,
        title=f"Retire {found.product}",
        consequences=[
            *held,
            "It checks in no more, and cannot be assigned again.",
            "What was paid for it stays paid. Its page and its history stay.",
        ],
        submit="Retire device",
        done=f"{found} is retired.",
        typed=found.mac,
        error=error,
    )


def _confirmed(
    request: AccountRequest,
    device: Device,
    action: Callable[..., Device],
    *,
    title: str,
    consequences: Sequence[str],
    submit: str,
    done: str,
    typed: str = "",
    error: str = "",
) -> HttpResponse:
    """Ask on a page of its own, and do it on POST; a final thing asks for `typed`."""
    refusal = None
    if request.method == "POST" and not error:
        try:
            action(device, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, done)
            return redirect(device_url(request, device.pk))
    context = {
        "device": device,
        "title": title,
        "consequences": consequences,
        "submit": submit,
        "typed": typed,
        "weight": "final" if typed else "light",
        "error": error,
        "refusal": refusal,
    }
    status = 400 if refusal or error else 200
    return render(request, "hardware/device_confirm.html", context, status=status)


def _is_same_mac(typed: str, device: Device) -> bool:
    try:
        return written_mac(typed) == device.mac
    except Refused:
        return False
