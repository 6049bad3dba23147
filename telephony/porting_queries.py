"""What pages read of requests to move numbers between carriers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db.models import Count, Exists, IntegerField, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import Account, AuditEntry
from billing.catalogue import prices_on
from billing.models import Product
from telephony.charging import NUMBER_PRODUCTS
from telephony.models import Number, NumberKind, PortDirection, PortNumber, PortRequest, PortState
from telephony.models.porting import OPEN_STATES
from telephony.queries import account_numbers

OPEN: Final = "open"
HISTORY: Final = 100


@dataclass(frozen=True, slots=True)
class PortStep:
    """A state of a request as its page shows it: `on` None where it has no day, `text` what stands before the day.

    `is_bad`: the request ended in it without moving anything.
    """

    label: str
    is_done: bool
    on: date | None = None
    text: str = ""
    is_bad: bool = False


def account_ports(
    account: Account, *, search: str = "", direction: str = "", state: str = ""
) -> QuerySet[PortRequest]:
    """The account's requests; each carries `first_number` and `numbers_count`.

    `search`: a number in any written form, or words of the carrier's name. `state`: a PortState, or OPEN.
    """
    requests = with_numbers(PortRequest.objects.filter(account=account))
    if direction:
        requests = requests.filter(direction=direction)
    if state == OPEN:
        requests = requests.filter(state__in=OPEN_STATES)
    elif state:
        requests = requests.filter(state=state)
    for word in [search.strip()] if re.fullmatch(r"[+\d ().\-/]*\d[\d ().\-/]*", search) else search.split():
        fits = Q(carrier__icontains=word)
        if digits := re.sub(r"\D", "", word):
            named = PortNumber.objects.filter(request=OuterRef("pk"), e164__contains=digits)
            fits = fits | Q(Exists(named))
        requests = requests.filter(fits)
    return requests


def with_numbers(requests: QuerySet[PortRequest]) -> QuerySet[PortRequest]:
    """The requests, each with `first_number` and `numbers_count`, in the same query."""
    own = PortNumber.objects.filter(request=OuterRef("pk")).order_by().values("request")
    return requests.annotate(
        first_number=Subquery(own.annotate(first=Min("e164")).values("first")),
        numbers_count=Coalesce(
            Subquery(own.annotate(count=Count("pk")).values("count"), output_field=IntegerField()), 0
        ),
    )


def portable(account: Account, today: date, search: str) -> QuerySet[Number]:
    """The account's numbers that can be asked to leave: those that no open request holds already."""
    asked = PortNumber.objects.filter(
        request__account=account, request__state__in=OPEN_STATES, e164=OuterRef("e164")
    )
    return account_numbers(account, today=today, search=search).exclude(Exists(asked)).order_by("e164", "pk")


def number_tariff(account: Account, today: date, wanted: dict[NumberKind, int]) -> list[dict[str, object]]:
    """What numbers cost by kind: the free days and the price of one, and of as many as are `wanted` of it.

    With nothing wanted, all kinds. Two queries.
    """
    products = Product.objects.in_bulk(set(NUMBER_PRODUCTS.values()))
    prices = prices_on(list(products), account, today)
    rows: list[dict[str, object]] = []
    for kind, code in NUMBER_PRODUCTS.items():
        price, count = prices.get(code), wanted.get(kind, 0)
        if code not in products or (wanted and not count):
            continue
        rows.append(
            {
                "label": kind.label,
                "count": count,
                "free_days": products[code].delay_days,
                "price": price,
                "total": None if price is None else price * count,
            }
        )
    return rows


def steps_of(request: PortRequest) -> list[PortStep]:
    """The states of a request in order: those it has been through, and those that are left."""
    account, state = request.account, PortState(request.state)
    is_submitted = state not in (PortState.DRAFT, PortState.CANCELLED)
    steps = [PortStep("Drafted", is_done=True, on=account.local_date(request.created_at))]
    if state != PortState.CANCELLED:
        steps.append(PortStep("Submitted", is_submitted))
    if state == PortState.REJECTED or (state == PortState.CANCELLED and request.confirmed_for):
        if request.confirmed_for:
            steps.append(PortStep("Confirmed", is_done=True, text="for", on=request.confirmed_for))
    elif state != PortState.CANCELLED:
        is_confirmed = request.confirmed_for is not None
        steps.append(
            PortStep(
                "Confirmed by both carriers",
                is_confirmed,
                text="for" if is_confirmed else "",
                on=request.confirmed_for,
            )
        )
        came = "Numbers are here" if request.direction == PortDirection.IN else "Numbers have left"
        steps.append(PortStep(came, state == PortState.DONE, on=request.done_on))
    if state == PortState.REJECTED:
        steps.append(PortStep("Rejected", is_done=True, is_bad=True))
    if state == PortState.CANCELLED:
        steps.append(PortStep("Cancelled", is_done=True, is_bad=True))
    return steps


def history_of(request: PortRequest) -> list[AuditEntry]:
    """What was done with a request, the latest first (ACC-5). One query."""
    trail = AuditEntry.objects.filter(
        account=request.account_id, target_kind="portrequest", target_id=str(request.pk)
    )
    return list(trail.select_related("user")[:HISTORY])
