"""Workers as processes of their own, on a database of their own: ``python -m tests.billing.crew MODE …``.

migrate                    the tables
prepare ACCOUNTS BRANDS    accounts that reached their BDOM, with two licences each
work THREADS CHUNK         a run by so many threads at once, in chunks of so many accounts
die CHUNK NTH              a run that stops in the middle of the nth chunk, says so, and waits to be killed
report                     what there is, as JSON
"""

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from unittest.mock import patch

import django
from django.core.management import call_command
from django.db import connection, transaction

OPENED = datetime(2024, 1, 2, 17, tzinfo=UTC)
DUE = datetime(2024, 3, 20, 17, tzinfo=UTC)
"""By then the BDOMs of January 15, February 15 and March 15 are due."""


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0, interactive=False)


def prepare(accounts: int, brands: int) -> None:
    """Make the accounts."""
    from accounts.trail import Actor
    from billing.licences import add_licences
    from billing.models import Product
    from tests.factories import AccountFactory, BrandFactory

    licence = Product.objects.get(pk="uc-licence")
    with transaction.atomic():
        mine = [BrandFactory() for _ in range(brands)]
        for place in range(accounts):
            brand = mine[place % brands]
            account = AccountFactory(brand=brand, bdom=15, opened_on=date(2024, 1, 2), at=OPENED)
            add_licences(account, licence, 2, actor=Actor.for_command("tests"), at=OPENED)


def work(threads: int, chunk: int) -> None:
    """Let threads bill at once; what one of them raises ends the process with status 1."""
    from billing.invoicing import bill_due, start_run
    from billing.triggers import begin_due_charges

    run = start_run(DUE, trigger="schedule", by="tests", at=DUE)
    faults: list[BaseException] = []
    gate = threading.Barrier(threads)

    def go() -> None:
        try:
            gate.wait()
            begin_due_charges(DUE)
            bill_due(run, at=DUE, chunk=chunk)
        except BaseException as fault:
            faults.append(fault)
            raise
        finally:
            connection.close()

    crew = [threading.Thread(target=go) for _ in range(threads)]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()
    sys.exit(1 if faults else 0)


def die(chunk: int, nth: int) -> None:
    """Bill, and stand still in the middle of a chunk: invoices written, numbers drawn, nothing committed."""
    from billing import invoicing
    from billing.models import BillingSchedule

    advance, seen = invoicing._advance, [0]

    def stand_still(schedules: list[BillingSchedule]) -> None:
        seen[0] += 1
        if seen[0] == nth:
            print("in the middle", flush=True)
            time.sleep(600)
        advance(schedules)

    with patch.object(invoicing, "_advance", stand_still):
        run = invoicing.start_run(DUE, trigger="schedule", by="tests", at=DUE)
        invoicing.bill_due(run, at=DUE, chunk=chunk)


def report() -> None:
    """Print what came of it."""
    from accounts.models import AuditEntry
    from billing.invoicing import due
    from billing.models import Charge, Invoice, InvoiceLine, InvoiceRun

    sequences = defaultdict(list)
    dates = defaultdict(list)
    for invoice in Invoice.objects.order_by("brand", "sequence"):
        sequences[str(invoice.brand_id)].append(invoice.sequence)
        dates[str(invoice.account_id)].append(invoice.issued_on.isoformat())
    invoices = set(Invoice.objects.values_list("pk", flat=True))
    found = {
        "sequences": sequences,
        "dates": {account: sorted(found) for account, found in dates.items()},
        "totals": sorted({str(invoice.total) for invoice in Invoice.objects.all()}),
        "stray_lines": InvoiceLine.objects.exclude(invoice__in=invoices).count(),
        "lines": InvoiceLine.objects.count(),
        "due": due(InvoiceRun(as_of=DUE)).count(),
        "waiting": Charge.objects.filter(state="waiting").count(),
        "begun": AuditEntry.objects.filter(action="begin-charge").count(),
        "told": AuditEntry.objects.filter(action="issue-invoice").count(),
        "counted": sum(InvoiceRun.objects.values_list("invoices", flat=True)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    django.setup()
    mode, *numbers = sys.argv[1:]
    modes: dict[str, Callable[..., None]] = {
        "migrate": migrate,
        "prepare": prepare,
        "work": work,
        "die": die,
        "report": report,
    }
    modes[mode](*map(int, numbers))
