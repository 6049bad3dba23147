"""Accounts, days and runs in few words, for tests of actions and of the run."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from accounts.models import Account
from accounts.trail import Actor
from billing.engine import Line
from billing.invoicing import bill_due, start_run
from billing.models import Charge, Invoice, InvoiceLine, InvoiceRun, Price, Product
from billing.opening import start_of_day
from billing.preview import draw
from billing.triggers import begin_due_charges
from tests.billing.engine_facts import day
from tests.factories import AccountFactory

ACTOR = Actor.for_command("tests")


def an_account(bdom: int = 15, opened: str = "01-02", **fields: Any) -> Account:
    """An account opened at noon of a day."""
    opened_on = day(opened)
    noon = datetime.combine(opened_on, time(12)).astimezone()
    account: Account = AccountFactory(bdom=bdom, opened_on=opened_on, at=noon, **fields)
    return account


def on(account: Account, text: str, at: str = "12:00") -> dict[str, Any]:
    """Who acts, and when: a time of the account's own day, noon unless it is said otherwise."""
    instant = datetime.combine(day(text), time.fromisoformat(at), tzinfo=account.zone)
    return {"actor": ACTOR, "at": instant}


def price(product: str, amount: str, currency: str = "USD", since: str = "2020-01-01", **fields: Any) -> None:
    """A price of the catalogue from a day on, in place of one of that very day."""
    effective_on = day(since)
    Price.objects.filter(
        product=product, amount_currency=currency, effective_on=effective_on, brand=fields.get("brand")
    ).delete()
    Price.objects.create(
        product_id=product,
        amount=Decimal(amount),
        amount_currency=currency,
        effective_on=effective_on,
        **fields,
    )


def product(code: str) -> Product:
    """A product of the catalogue."""
    return Product.objects.get(pk=code)


def run_at(instant: datetime, *, only: Account | None = None, chunk: int = 1000) -> InvoiceRun:
    """What beat does at an instant: the billing triggers, then the invoice run."""
    begin_due_charges(instant, only=only)
    run = start_run(instant, trigger=InvoiceRun.Trigger.SCHEDULE, by="tests", at=instant, only=only)
    bill_due(run, at=instant, chunk=chunk)
    run.refresh_from_db()
    return run


def bill(account: Account, text: str) -> InvoiceRun:
    """The run of an account at the start of its own day."""
    return run_at(start_of_day(account, day(text)), only=account)


def invoices_of(account: Account) -> list[Invoice]:
    """The account's invoices, the earliest first."""
    return list(Invoice.objects.filter(account=account).order_by("issued_on", "id"))


def told(line: InvoiceLine | Line) -> str:
    """A line in words: ``recurring uc-licence 5 · 01-17 to 02-15 · 29/31 · 140.28``."""
    dates = f"{line.starts_on:%m-%d} to {line.ends_on:%m-%d} · {line.days}/{line.of_days}"
    if line.of_days is None:
        dates = f"{line.starts_on:%m-%d}"
    return (
        f"{line.section} {line.product} {line.quantity} · {dates} · {line.amount.quantize(Decimal('0.01'))}"
    )


def issued_lines(account: Account) -> dict[str, list[str]]:
    """The lines of all the account's invoices, in words, by the invoice's day (as 02-15)."""
    return {
        f"{invoice.issued_on:%m-%d}": [told(line) for line in invoice.lines.order_by("position")]
        for invoice in invoices_of(account)
    }


def lines_to_come(account: Account, text: str) -> list[str]:
    """The lines of the invoice of a BDOM as the ledger stands."""
    return [told(line) for line in draw(account, day(text)).lines]


def charges_of(account: Account, **wanted: Any) -> list[Charge]:
    """The account's charges in the order in which they were opened."""
    return list(Charge.objects.filter(account=account, **wanted).order_by("id"))


def trail_of(account: Account) -> list[str]:
    """The actions in the account's audit trail, in their order."""
    return list(account.audit_entries.order_by("id").values_list("action", flat=True))


def dates_of(charge: Charge) -> tuple[date | None, date | None]:
    """The first billed day of a charge, and the first no longer billed."""
    return charge.billing_starts_on, charge.ended_on
