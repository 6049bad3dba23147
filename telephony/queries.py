"""What pages read of numbers, services and who can be given a number."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Concat

from accounts.models import Account, EndUser
from billing.catalogue import prices_on
from billing.licences import UC_LICENCE
from billing.models import Charge, LicenceAssignment
from telephony.charging import SERVICE_PRODUCTS, Holder
from telephony.models import Number, NumberHolding, NumberState, Service, ServiceKind

CHOICES: Final = 20
"""How many holders or numbers a page offers before it asks to narrow the search."""
HISTORY: Final = 100

_WRITTEN_NUMBER = re.compile(r"^[+\d ().\-/]*\d[\d ().\-/]*$")


class CostKind(StrEnum):
    """What a number costs its account, in the words of NUM-3 and BIL-3."""

    INCLUDED = "included"
    ADDITIONAL = "additional"
    FREE = "free"
    PARKED = "parked"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class NumberCost:
    """What a number costs: `monthly` from `starts_on` on (both None where nothing is charged).

    FREE is parked within the free days, PARKED is parked and billed.
    """

    kind: CostKind
    monthly: Decimal | None = None
    starts_on: date | None = None
    basis: str = ""
    basis_on: date | None = None


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number as a list shows it, with its cost."""

    number: Number
    cost: NumberCost

    @property
    def pk(self) -> int:
        """The number's key."""
        return self.number.pk


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service as the list shows it: its numbers, the included one first, and what it costs a month.

    `monthly` is None where nothing is charged; `is_complimentary`: the account's earliest auto attendant (NUM-5).
    """

    service: Service
    numbers: Sequence[str]
    monthly: Decimal | None
    starts_on: date | None
    is_complimentary: bool

    @property
    def more_numbers(self) -> int:
        """How many there are beside the first."""
        return len(self.numbers) - 1


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose from: what is sent, what it is called, and what to know about it."""

    value: str
    label: str
    detail: str = ""
    amount: Decimal | None = None
    is_chosen: bool = False


def account_numbers(
    account: Account,
    *,
    today: date,
    search: str = "",
    state: str = "",
    kind: str = "",
    cost: str = "",
) -> QuerySet[Number]:
    """The account's numbers with their holders; each carries `holder_name`, "" while it has none.

    Released ones only where `state` asks for them. `search`: a number in any written form, or words of the
    holder's name. `cost`: a CostKind.
    """
    numbers: QuerySet[Number] = (
        Number.objects.filter(account=account)
        .select_related("end_user", "service")
        .annotate(holder_name=Coalesce("end_user__name", "service__name", Value("")))
    )
    numbers = numbers.filter(state=state) if state else numbers.exclude(state=NumberState.RELEASED)
    if kind:
        numbers = numbers.filter(kind=kind)
    if cost:
        numbers = _costing(numbers, cost, today)
    return searched(numbers, search)


def searched(numbers: QuerySet[Number], search: str) -> QuerySet[Number]:
    """Those of `account_numbers` that fit: digits are looked for in the number, words in the holder's name."""
    search = search.strip()
    if _WRITTEN_NUMBER.match(search):
        return numbers.filter(e164__contains=re.sub(r"\D", "", search))
    for word in search.split():
        numbers = numbers.filter(Q(holder_name__icontains=word) | Q(e164__contains=word))
    return numbers


def _costing(numbers: QuerySet[Number], cost: str, today: date) -> QuerySet[Number]:
    charges = Charge.objects.filter(
        account=OuterRef("account"),
        subject=Concat(Value("number:"), Cast(OuterRef("pk"), CharField()), output_field=CharField()),
        ended_on=None,
    ).exclude(subject="")
    if cost == CostKind.INCLUDED:
        return numbers.filter(~Exists(charges), state=NumberState.ASSIGNED)
    if cost == CostKind.ADDITIONAL:
        return numbers.filter(Exists(charges), state=NumberState.ASSIGNED)
    if cost == CostKind.FREE:
        return numbers.filter(Exists(charges.filter(billing_starts_on__gt=today)), state=NumberState.PARKED)
    return numbers.filter(Exists(charges.filter(billing_starts_on__lte=today)), state=NumberState.PARKED)


def with_costs(account: Account, numbers: Iterable[Number], today: date) -> list[NumberRow]:
    """The numbers, each with what it costs. One query."""
    numbers = list(numbers)
    charges = charges_by_subject(account, [f"number:{number.pk}" for number in numbers])
    return [
        NumberRow(number, number_cost(number, charges.get(f"number:{number.pk}"), today))
        for number in numbers
    ]


def number_cost(number: Number, charge: Charge | None, today: date) -> NumberCost:
    """What a number costs, from its state and the charge that runs for it."""
    if number.state == NumberState.RELEASED:
        return NumberCost(CostKind.NOTHING)
    if charge is None:
        is_held = number.state == NumberState.ASSIGNED
        return NumberCost(CostKind.INCLUDED if is_held else CostKind.NOTHING)
    kind = CostKind.ADDITIONAL
    if number.state == NumberState.PARKED:
        starts_on = charge.billing_starts_on
        kind = CostKind.FREE if starts_on is not None and starts_on > today else CostKind.PARKED
    return NumberCost(kind, charge.monthly, charge.billing_starts_on, charge.basis, charge.basis_on)


def charges_by_subject(account: Account, subjects: Sequence[str]) -> dict[str, Charge]:
    """The charges of these subjects that have no end yet. One query."""
    found = Charge.objects.filter(account=account, subject__in=subjects, ended_on=None).exclude(subject="")
    return {charge.subject: charge for charge in found.order_by("id")}


def holder_numbers(holder: Holder, today: date) -> list[NumberRow]:
    """A holder's numbers with what they cost, the earliest assigned first. Two queries."""
    numbers = Number.objects.filter(state=NumberState.ASSIGNED).select_related("end_user", "service")
    own = numbers.filter(end_user=holder) if isinstance(holder, EndUser) else numbers.filter(service=holder)
    return with_costs(holder.account, own.order_by("holding_id"), today)


def history_of(number: Number) -> list[NumberHolding]:
    """Who held a number from when to when, the latest first (NUM-2)."""
    return list(NumberHolding.objects.filter(number=number).select_related("end_user", "service")[:HISTORY])


def account_services(account: Account, *, search: str = "", kind: str = "") -> QuerySet[Service]:
    """The account's services, the removed ones left out. `search` goes for name, extension and number."""
    services = Service.objects.filter(account=account, removed_on=None)
    if kind:
        services = services.filter(kind=kind)
    if _WRITTEN_NUMBER.match(search):
        digits = re.sub(r"\D", "", search)
        held = Number.objects.filter(service=OuterRef("pk"), e164__contains=digits)
        return services.filter(
            Exists(held) | Q(extension__startswith=digits) | Q(name__icontains=search.strip())
        )
    for word in search.split():
        services = services.filter(name__icontains=word)
    return services


def service_counts(account: Account) -> dict[str, int]:
    """How many services of each kind the account has."""
    counted = Service.objects.filter(account=account, removed_on=None).order_by().values_list("kind")
    return dict(counted.annotate(services=Count("pk")))


def service_rows(account: Account, services: Iterable[Service]) -> list[ServiceRow]:
    """The services with their numbers and what they cost, two queries for all of them."""
    services = list(services)
    numbers: dict[int, list[str]] = defaultdict(list)
    held = Number.objects.filter(service__in=services, state=NumberState.ASSIGNED).order_by("holding_id")
    for service_id, e164 in held.values_list("service_id", "e164"):
        if service_id is not None:
            numbers[service_id].append(e164)
    charges = charges_by_subject(account, [f"service:{service.pk}" for service in services])
    rows = []
    for service in services:
        charge = charges.get(f"service:{service.pk}")
        monthly = charge.monthly if charge else None
        rows.append(
            ServiceRow(
                service,
                numbers[service.pk],
                monthly or None,
                charge.billing_starts_on if charge else None,
                is_complimentary=charge is None and service.kind == ServiceKind.AUTO_ATTENDANT,
            )
        )
    return rows


def service_prices(account: Account, today: date) -> dict[str, Decimal]:
    """What a new service of each kind costs a month; the kinds that cost nothing are left out.

    An account's first auto attendant is complimentary (NUM-5). Two queries.
    """
    prices = prices_on(list(SERVICE_PRODUCTS.values()), account, today)
    of_kind = {str(kind): prices[code] for kind, code in SERVICE_PRODUCTS.items() if code in prices}
    is_first = not Service.objects.filter(
        account=account, kind=ServiceKind.AUTO_ATTENDANT, removed_on=None
    ).exists()
    if is_first:
        of_kind.pop(ServiceKind.AUTO_ATTENDANT, None)
    return of_kind


def token_of(holder: Holder) -> str:
    """How a form names a holder: end-user:12, service:7."""
    return f"{'end-user' if isinstance(holder, EndUser) else 'service'}:{holder.pk}"


def holder_by(account: Account, token: str) -> Holder | None:
    """The account's own end user or service that a form names, or None (ACC-4)."""
    kind, _, key = token.partition(":")
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        return None
    if kind == "end-user":
        return (
            EndUser.objects.select_related("account")
            .filter(pk=int(key), account=account, removed_on=None)
            .first()
        )
    if kind == "service":
        return (
            Service.objects.select_related("account")
            .filter(pk=int(key), account=account, removed_on=None)
            .first()
        )
    return None


def holders_to_choose(
    account: Account, search: str, *, but: Holder | None = None
) -> tuple[list[Choice], list[Choice], bool]:
    """End users and services that a number can be assigned to, and whether there are more than fit.

    End users hold a UC licence (NUM-8). `but`: who has the number already.
    """
    licences = LicenceAssignment.objects.filter(
        end_user=OuterRef("pk"), product=UC_LICENCE, unassigned_on=None
    )
    people = EndUser.objects.filter(Exists(licences), account=account, removed_on=None)
    services = Service.objects.filter(account=account, removed_on=None)
    for word in search.split():
        people = people.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(extension__startswith=word)
        )
        services = services.filter(Q(name__icontains=word) | Q(extension__startswith=word))
    if isinstance(but, EndUser):
        people = people.exclude(pk=but.pk)
    elif but is not None:
        services = services.exclude(pk=but.pk)
    found = [
        [_choice(holder, held) for holder, held in holders] for holders in (_first(people), _first(services))
    ]
    return found[0][:CHOICES], found[1][:CHOICES], any(len(choices) > CHOICES for choices in found)


def _first(holders: QuerySet[EndUser] | QuerySet[Service]) -> list[tuple[Holder, int]]:
    """The first holders by name, one more than a page offers, each with how many numbers there are."""
    counted = holders.annotate(held=Count("numbers")).order_by("name", "pk")[: CHOICES + 1]
    return [(holder, holder.held) for holder in counted]


def choice_of(holder: Holder) -> Choice:
    """A holder as something to choose."""
    return _choice(holder, holder.numbers.count())


def _choice(holder: Holder, held: int) -> Choice:
    facts = []
    if isinstance(holder, Service):
        facts.append(holder.get_kind_display())
    if holder.extension:
        facts.append(f"extension {holder.extension}")
    needs_one = isinstance(holder, EndUser) or holder.needs_a_number
    if held == 0:
        facts.append("no number yet: the first is included" if needs_one else "every number is additional")
    else:
        facts.append(f"has {held} number{'' if held == 1 else 's'}: this one is additional")
    detail = ", ".join(facts)
    return Choice(token_of(holder), holder.name, detail[0].upper() + detail[1:])
