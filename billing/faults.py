"""Says why an invoice cannot be drawn: to those who can mend it, and to the customer, who need not (BIL-9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from accounts.models import Account
from billing.engine import BillingFault, MissingPrice, MissingRate
from billing.models import Meter, Product


def told_to_staff(fault: BillingFault, account: Account, bdom_on: date, names: Mapping[str, str]) -> str:
    """What is missing for the invoice of `bdom_on`, and the way to mend it; `names` are the products' names by code.

    Asks the database nothing.
    """
    if isinstance(fault, MissingRate):
        return (
            f"No rate in {account.currency} is set for usage of {fault.meter} on {fault.on}. Set one under "
            f"Finance > Rates, then run manage.py rerate {account.slug} --from {fault.on}, and run again."
        )
    if not isinstance(fault, MissingPrice):
        text = str(fault)
        return f"{text[:1].upper()}{text[1:]}."
    name = names.get(fault.product) or fault.product
    return (
        f"No price is set for {name} (charge {fault.charge}). Set one by manage.py reprice "
        f"{fault.product} PRICE {account.currency} --from {bdom_on} --account {account.slug}, then run again."
    )


def told_to_customer(fault: BillingFault) -> str:
    """What is missing, without the ledger's own numbers. One query."""
    if isinstance(fault, MissingPrice):
        name = Product.objects.filter(pk=fault.product).values_list("name", flat=True).first()
        return f"{name or fault.product} has no price yet"
    if isinstance(fault, MissingRate):
        name = Meter.objects.filter(pk=fault.meter).values_list("name", flat=True).first()
        return f"usage of {name or fault.meter} has no rate yet"
    return "something in our records does not fit"
