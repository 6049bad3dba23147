"""What telephony provides of an order: services, the contact center and its items, the toll-free package."""

from __future__ import annotations

from accounts.refusals import Refused
from billing.charges import Ledger
from billing.licences import add_licences
from billing.models import Family, OrderLine, Quote
from billing.orders import fulfils
from billing.packages import set_package_in
from billing.quotes import editions, when_accepted
from telephony.contact_center import add_items, install
from telephony.models import Edition, Service, ServiceKind
from telephony.services import ADDABLE, add_service

COMPLIMENTARY = "Main menu"
"""What the auto attendant is called that comes with every account (ORD-1, NUM-5)."""

editions.update({edition.value: edition.label for edition in Edition})


@when_accepted
def open_services(ledger: Ledger, quote: Quote) -> None:
    """The complimentary auto attendant, and the contact center of the quote (ORD-1, ONB-1)."""
    add_service(ledger.account, ServiceKind.AUTO_ATTENDANT, COMPLIMENTARY, actor=ledger.actor, at=ledger.at)
    if quote.edition:
        install(ledger.account, Edition(quote.edition), actor=ledger.actor, at=ledger.at)


@fulfils(Family.SERVICE)
def provide_services(ledger: Ledger, line: OrderLine) -> bool:
    """As many services of a kind as were ordered, numbered on from those that there are."""
    kind = ServiceKind(line.product_id)
    if kind not in ADDABLE:
        raise Refused(f"{line.product.name} cannot be ordered. Nothing was changed.", field="product")
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


@fulfils(Family.CONTACT_CENTER)
def provide_contact_center(ledger: Ledger, line: OrderLine) -> bool:
    """Licences of the contact center, within its limit in onboarding (ONB-3), and its items."""
    provide = add_licences if line.product.is_licence else add_items
    provide(ledger.account, line.product, line.quantity, actor=ledger.actor, at=ledger.at)
    return True


@fulfils(Family.PACKAGE)
def provide_package(ledger: Ledger, line: OrderLine) -> bool:
    """The toll-free package; an initial order may hold one whatever the switch of the brand says (ONB-5)."""
    if line.quantity != 1:
        raise Refused(
            "An account has one toll-free package. Nothing was changed.", rule="USE-6", field="quantity"
        )
    set_package_in(ledger, line.product_id)
    return True
