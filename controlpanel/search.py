"""Finds what a person of an account looks for: end users, numbers, services, devices, invoices."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.permissions import AccountRequest, account_page
from accounts.queries import end_users_of
from accounts.refusals import Refused
from billing.queries import invoices_of
from controlpanel.navigation import address
from controlpanel.templatetags.ui import day_text, money_text, phone
from hardware.queries import account_devices
from telephony.models import Number, NumberState, Service
from telephony.numbering import read_number

if TYPE_CHECKING:
    from django.http import HttpResponse

MOST: Final = 8
MAX_SEARCH: Final = 100
# With fewer figures than these a search for a number would find half of them.
FEWEST_FIGURES: Final = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found: its name, what else to know it by, and where it is."""

    label: str
    hint: str
    url: str


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found of one kind; `more_url` leads to all of it where there is more."""

    title: str
    icon: str
    hits: Sequence[Hit]
    more_url: str


@require_safe
@account_page()
def search(request: AccountRequest) -> HttpResponse:
    """What of the account goes with the words in ?q=, at most a few of each kind."""
    asked = " ".join(request.GET.get("q", "").replace("\0", "").split())[:MAX_SEARCH]
    groups = [
        group
        for find in (_end_users, _numbers, _services, _devices, _invoices)
        if asked and (group := find(request, asked)).hits
    ]
    context = {"asked": asked, "groups": groups, "found": sum(len(group.hits) for group in groups)}
    return render(request, "controlpanel/search.html", context)


def _end_users(request: AccountRequest, asked: str) -> Hits:
    found = end_users_of(request.account, search=asked).order_by("name", "pk")[: MOST + 1]
    slug = request.account.slug
    hits = [
        Hit(
            end_user.name,
            ", ".join(
                part
                for part in (
                    f"extension {end_user.extension}" if end_user.extension else "",
                    end_user.department,
                    end_user.email,
                )
                if part
            ),
            address("accounts:end-user", account=slug, pk=str(end_user.pk)),
        )
        for end_user in found
    ]
    return _hits("Users", "users", hits, address("accounts:end-users", account=slug), asked)


def _numbers(request: AccountRequest, asked: str) -> Hits:
    slug = request.account.slug
    wanted = number_condition(asked)
    hits = []
    if wanted is not None:
        found = (
            Number.objects.filter(wanted, account=request.account)
            .exclude(state=NumberState.RELEASED)
            .select_related("end_user", "service")
            .order_by("e164", "pk")
        )
        hits = [
            Hit(
                phone(number.e164),
                str(number.holder or "Parked"),
                address("telephony:number", account=slug, pk=str(number.pk)),
            )
            for number in found[: MOST + 1]
        ]
    return _hits("Numbers", "hash", hits, address("telephony:numbers", account=slug), asked)


def number_condition(asked: str) -> Q | None:
    """Which numbers go with what was typed, in whatever form it was written; None where it is none.

    A whole number is found by its E.164 form (NUM-1), a part of one by its figures.
    """
    figures = "".join(character for character in asked if character.isascii() and character.isdigit())
    if len(figures) < FEWEST_FIGURES:
        return None
    wanted = Q(e164__contains=figures)
    with suppress(Refused):
        wanted |= Q(e164=read_number(asked).e164)
    if figures.startswith("00"):
        wanted |= Q(e164__startswith=f"+{figures[2:]}")
    return wanted


def _services(request: AccountRequest, asked: str) -> Hits:
    slug = request.account.slug
    found: QuerySet[Service] = Service.objects.filter(account=request.account, removed_on=None)
    for word in asked.split():
        found = found.filter(Q(name__icontains=word) | Q(extension__startswith=word))
    hits = [
        Hit(
            service.name,
            service.get_kind_display(),
            address("telephony:service", account=slug, pk=str(service.pk)),
        )
        for service in found.order_by("name", "pk")[: MOST + 1]
    ]
    return _hits("Services", "layers", hits, address("telephony:services", account=slug), asked)


def _devices(request: AccountRequest, asked: str) -> Hits:
    slug = request.account.slug
    found = account_devices(request.account, search=asked).order_by("product__name", "mac")
    hits = [
        Hit(
            f"{device.product} {device.mac}",
            str(device.holder or "With nobody"),
            address("hardware:device", account=slug, pk=str(device.pk)),
        )
        for device in found[: MOST + 1]
    ]
    return _hits("Devices", "phone", hits, address("hardware:devices", account=slug), asked)


def _invoices(request: AccountRequest, asked: str) -> Hits:
    slug = request.account.slug
    found = invoices_of(request.account, request.today, search=asked).order_by("-issued_on", "-id")
    hits = [
        Hit(
            str(invoice),
            f"{day_text(invoice.issued_on)}, {money_text(invoice.total, invoice.currency)}",
            address("billing:invoice", account=slug, number=str(invoice)),
        )
        for invoice in found[: MOST + 1]
    ]
    return _hits("Invoices", "receipt-text", hits, address("billing:invoices", account=slug), asked)


def _hits(title: str, icon: str, hits: Sequence[Hit], list_url: str, asked: str) -> Hits:
    has_more = len(hits) > MOST and list_url
    return Hits(title, icon, hits[:MOST], f"{list_url}?{urlencode({'q': asked})}" if has_more else "")
