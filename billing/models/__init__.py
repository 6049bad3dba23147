"""Catalogue, ledger, subscriptions, usage, invoices."""

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
from billing.models.orders import Order, OrderKind, OrderLine, OrderLineState, OrderState
from billing.models.quotes import Quote, QuoteLine, QuoteState
from billing.models.subscriptions import (
    LicenceMode,
    Offer,
    Subscription,
    SubscriptionCommitment,
    TelephonyOption,
    Tenancy,
)
from billing.models.usage import Meter, MeterRate, PrefixRate, UsageFault, UsageImport, UsageRecord

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
    "LicenceMode",
    "Limit",
    "Meter",
    "MeterRate",
    "Offer",
    "Order",
    "OrderKind",
    "OrderLine",
    "OrderLineState",
    "OrderState",
    "PackageTerms",
    "PrefixRate",
    "Price",
    "Product",
    "Quote",
    "QuoteLine",
    "QuoteState",
    "RunFailure",
    "RunTotal",
    "Subscription",
    "SubscriptionCommitment",
    "TelephonyOption",
    "Tenancy",
    "UsageFault",
    "UsageImport",
    "UsageRecord",
]
