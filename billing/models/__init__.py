"""Catalogue, ledger, invoices."""

from billing.models.catalogue import CreditPolicy, Delay, Family, PackageTerms, Price, Product
from billing.models.invoices import (
    Invoice,
    InvoiceCounter,
    InvoiceKind,
    InvoiceLine,
    InvoiceRun,
    InvoiceState,
    RunFailure,
    RunTotal,
)
from billing.models.ledger import (
    BillingSchedule,
    Charge,
    ChargeState,
    Condition,
    LicenceAssignment,
    Limit,
)

__all__ = [
    "BillingSchedule",
    "Charge",
    "ChargeState",
    "Condition",
    "CreditPolicy",
    "Delay",
    "Family",
    "Invoice",
    "InvoiceCounter",
    "InvoiceKind",
    "InvoiceLine",
    "InvoiceRun",
    "InvoiceState",
    "LicenceAssignment",
    "Limit",
    "PackageTerms",
    "Price",
    "Product",
    "RunFailure",
    "RunTotal",
]
