"""What telephony provides of an order: services, the contact center and its items, the toll-free package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from accounts.refusals import Refused
from billing.charges import Ledger
from billing.licences import add_licences
from billing.models import Family, OrderLine, Product
from billing.orders import fulfils
from billing.packages import set_package_in
from billing.quotes import editions, when_accepted
from telephony.contact_center import LICENCES, STORAGE, add_items, contact_center_of, install
from telephony.models import Edition, NumberKind, Service, ServiceKind
from telephony.numbers import add_number, free_inventory
from telephony.services import ADDABLE, add_service

MOST_SERVICES: Final = 200
"""How many services of a kind one line of an order holds: each of them is set up by itself."""
MOST_NUMBERS: Final = 100
COMPLIMENTARY = "Main menu"
"""What the auto attendant is called that comes with every account (ORD-1, NUM-5)."""

editions.update({edition.value: edition.label for edition in Edition})


@when_accepted
def open_services(ledger: Ledger, edition: str) -> None:
    """The complimentary auto attendant, and the contact center of an edition, "" for none (ORD-1, ONB-1)."""
    add_service(ledger.account, ServiceKind.AUTO_ATTENDANT, COMPLIMENTARY, actor=ledger.actor, at=ledger.at)
    if edition:
        install(ledger.account, Edition(edition), actor=ledger.actor, at=ledger.at)


@fulfils(Family.SERVICE)
def provide_services(ledger: Ledger, line: OrderLine) -> bool:
    """As many services of a kind as were ordered, numbered on from those that there are."""
    kind = ServiceKind(line.product_id)
    if kind not in ADDABLE:
        raise Refused(f"{line.product.name} cannot be ordered. Nothing was changed.", field="product")
    if line.quantity > MOST_SERVICES:
        raise Refused(
            f"At most {MOST_SERVICES} × {line.product.name} are ordered at once. Nothing was changed.",
            field="quantity",
        )
    taken = set(
        Service.objects.filter(account=ledger.account, kind=kind, removed_on=None).values_list(
            "name", flat=True
        )
    )
    number = 0
    for _ in range(line.quantity):
        number += 1
        while f"{kind.label} {number}" in taken:
            number += 1
        add_service(ledger.account, kind, f"{kind.label} {number}", actor=ledger.actor, at=ledger.at)
    return True


@fulfils(Family.NUMBER)
def provide_numbers(ledger: Ledger, line: OrderLine) -> bool:
    """Numbers of the brand's stock, parked: of the area code that is wished for, else of those it has (NUM-1)."""
    if line.quantity > MOST_NUMBERS:
        raise Refused(
            f"At most {MOST_NUMBERS} × {line.product.name} are ordered at once. Nothing was changed.",
            rule="NUM-1",
            field=line.product_id,
        )
    kind = NumberKind.TOLL_FREE if line.product_id == "number-toll-free" else NumberKind.LOCAL
    found = free_inventory(ledger.account, area_code=line.wish, limit=line.quantity, kind=kind)
    if len(found) < line.quantity:
        where = f" with area code {line.wish}" if line.wish else ""
        left = (
            f"Only {len(found)} × {line.product.name}{where} {'is' if len(found) == 1 else 'are'} in stock"
            if found
            else f"No {line.product.name.lower()}{where} is in stock"
        )
        raise Refused(
            f"{left}, so {line.quantity} cannot be had. Nothing was changed.",
            rule="NUM-1",
            field=line.product_id,
        )
    for listed in found:
        add_number(ledger.account, listed.e164, actor=ledger.actor, at=ledger.at)
    return True


@fulfils(Family.CONTACT_CENTER)
def provide_contact_center(ledger: Ledger, line: OrderLine) -> bool:
    """Licences of the contact center's own edition, within its limit in onboarding (ONB-3), and its items."""
    if line.product.is_licence:
        _check_edition(ledger, line)
    elif line.product_id in STORAGE:
        _check_only_one(line, STORAGE, "A contact center has one package of recording storage.")
    provide = add_licences if line.product.is_licence else add_items
    provide(ledger.account, line.product, line.quantity, actor=ledger.actor, at=ledger.at)
    return True


@fulfils(Family.PACKAGE)
def provide_package(ledger: Ledger, line: OrderLine) -> bool:
    """The toll-free package; an initial order may hold one whatever the switch of the brand says (ONB-5)."""
    packages = list(Product.objects.filter(family=Family.PACKAGE).values_list("pk", flat=True))
    _check_only_one(line, packages, "An account has one toll-free package.", rule="USE-6")
    set_package_in(ledger, line.product_id)
    return True


def _check_edition(ledger: Ledger, line: OrderLine) -> None:
    """Raise Refused for a licence of another edition than the one that is installed."""
    contact_center = contact_center_of(ledger.account)
    if contact_center is not None and line.product_id != LICENCES[Edition(contact_center.edition)]:
        raise Refused(
            f"{line.product.name} is of another edition: {contact_center} is installed. Nothing was changed.",
            rule="ONB-1",
            field="product",
        )


def _check_only_one(line: OrderLine, codes: Sequence[str], words: str, rule: str = "") -> None:
    """Raise Refused where an order holds more than one unit of what there is only one of."""
    if sum(line.order.lines.filter(product__in=codes).values_list("quantity", flat=True)) != 1:
        raise Refused(f"{words} Nothing was changed.", rule=rule, field="quantity")
