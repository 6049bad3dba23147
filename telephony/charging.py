"""Tells billing what numbers and services cost, whenever one of them changes hands (NUM-3 to NUM-7).

Each rule is asked anew from how things stand, rather than for each kind of change: what a number
should be charged is compared with what it is charged, and only a difference moves the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accounts.models import EndUser
from billing.charges import Ledger, Subject
from billing.engine.reasons import Basis
from billing.models import Charge, Delay, Product
from telephony.models import Number, NumberKind, NumberState, Service, ServiceKind

Holder = EndUser | Service

NUMBER_PRODUCTS = {NumberKind.LOCAL: "number-local", NumberKind.TOLL_FREE: "number-toll-free"}
SERVICE_PRODUCTS = {
    ServiceKind.RESOURCE_LINE: "resource-line",
    ServiceKind.FAX_LINE: "fax-line",
    ServiceKind.WEBFAX: "webfax",
    ServiceKind.AUTO_ATTENDANT: "auto-attendant",
}


def subject_of(item: Number | Service) -> Subject:
    """What a charge for a number or a service is for."""
    if isinstance(item, Service):
        return Subject(f"service:{item.pk}", item.name, item.name)
    # As much of a long name as a line of an invoice has room for.
    holder = str(item.holder or "")[:80]
    return Subject(f"number:{item.pk}", item.e164, holder)


def settle_parked(ledger: Ledger, number: Number) -> None:
    """A number has just been parked: local ones are free for 30 days, toll-free ones are not."""
    subject = subject_of(number)
    charge = ledger.charge_of(subject.key)
    if number.kind == NumberKind.TOLL_FREE:
        _charge_from_today(ledger, number, charge, Basis.PARKED_AT_ONCE)
        return
    ledger.reopen(charge, _product_of(number), subject, delay=Delay.PARKED)


def settle_released(ledger: Ledger, number: Number) -> None:
    """A number has been given up."""
    _charge_nothing(ledger, ledger.charge_of(subject_of(number).key))


def settle_holder(ledger: Ledger, holder: Holder) -> None:
    """Charge a holder's numbers: the earliest is included where one is needed, the others are not."""
    numbers = numbers_of(holder)
    needs_one = isinstance(holder, EndUser) or holder.needs_a_number
    basis = Basis.ADDITIONAL_NUMBER if needs_one else Basis.NUMBER_NOT_NEEDED
    for place, number in enumerate(numbers):
        charge = ledger.charge_of(subject_of(number).key)
        if needs_one and place == 0:
            _charge_nothing(ledger, charge)
        else:
            _charge_from_today(ledger, number, charge, basis)


def settle_new(ledger: Ledger, numbers: Sequence[Number]) -> None:
    """Numbers have just been taken from the stock and parked, many at once; as `settle_parked` for each."""
    for kind in NumberKind:
        of_kind = [number for number in numbers if number.kind == kind]
        if not of_kind:
            continue
        is_free_at_first = kind == NumberKind.LOCAL
        ledger.open_each(
            _product_of(of_kind[0]),
            [subject_of(number) for number in of_kind],
            delay=Delay.PARKED if is_free_at_first else Delay.NONE,
            basis=None if is_free_at_first else Basis.PARKED_AT_ONCE,
        )


def settle_included(ledger: Ledger, numbers: Sequence[Number]) -> None:
    """These numbers have each just become the first of an end user, many at once: nothing is charged (NUM-3)."""
    subjects = [subject_of(number).key for number in numbers]
    ledger.end_each(list(ledger.open_charges().filter(subject__any_of=subjects).select_related("product")))


def settle_service(ledger: Ledger, service: Service) -> None:
    """Charge a service that has just been added, or stop charging one that was removed."""
    if service.kind == ServiceKind.AUTO_ATTENDANT:
        settle_auto_attendants(ledger)
    elif service.kind in SERVICE_PRODUCTS and service.removed_on is None:
        product = Product.objects.get(pk=SERVICE_PRODUCTS[ServiceKind(service.kind)])
        ledger.open(product, subject=subject_of(service))
    if service.removed_on is not None:
        _charge_nothing(ledger, ledger.charge_of(subject_of(service).key))


def settle_auto_attendants(ledger: Ledger) -> None:
    """The earliest auto attendant that is left is complimentary, further ones are charged (NUM-5)."""
    left = Service.objects.filter(
        account=ledger.account, kind=ServiceKind.AUTO_ATTENDANT, removed_on=None
    ).order_by("added_on", "pk")
    for place, service in enumerate(left):
        subject = subject_of(service)
        charge = ledger.charge_of(subject.key)
        if place == 0:
            _charge_nothing(ledger, charge)
        elif charge is None:
            product = Product.objects.get(pk=SERVICE_PRODUCTS[ServiceKind.AUTO_ATTENDANT])
            ledger.open(product, subject=subject, basis=Basis.FURTHER_AUTO_ATTENDANT)


def relabel(ledger: Ledger, holder: Holder) -> None:
    """A holder has another name: coming invoices show it, with the charges as they were."""
    items: list[Number | Service] = [*numbers_of(holder)]
    if isinstance(holder, Service):
        items.append(holder)
    for item in items:
        subject = subject_of(item)
        charge = ledger.charge_of(subject.key)
        if charge is not None:
            ledger.move(charge, subject)


def numbers_of(holder: Holder) -> list[Number]:
    """A holder's numbers, the earliest assigned first."""
    numbers = Number.objects.filter(state=NumberState.ASSIGNED).order_by("holding_id")
    if isinstance(holder, EndUser):
        return list(numbers.filter(end_user=holder).select_related("end_user"))
    return list(numbers.filter(service=holder).select_related("service"))


def included_numbers(numbers: Iterable[Number]) -> set[int]:
    """Which of all the numbers of some holders are included: the earliest of each that needs one."""
    first: dict[tuple[str, int], Number] = {}
    for number in numbers:
        holder = number.holder
        if holder is None or (isinstance(holder, Service) and not holder.needs_a_number):
            continue
        key = (type(holder).__name__, holder.pk)
        earliest = first.setdefault(key, number)
        if (number.holding_id or 0) < (earliest.holding_id or 0):
            first[key] = number
    return {number.pk for number in first.values()}


def _product_of(number: Number) -> Product:
    return Product.objects.get(pk=NUMBER_PRODUCTS[NumberKind(number.kind)])


def _charge_nothing(ledger: Ledger, charge: Charge | None) -> None:
    if charge is not None:
        ledger.end(charge)


def _charge_from_today(ledger: Ledger, number: Number, charge: Charge | None, basis: Basis) -> None:
    """Charge a number without delay; one that is billed already goes on as it is (NUM-7)."""
    subject = subject_of(number)
    if charge is not None and ledger.is_billed(charge):
        ledger.move(charge, subject)
    else:
        ledger.reopen(charge, _product_of(number), subject, delay=Delay.NONE, basis=basis)
