"""Invoices of plans: what they are called, what was paid for, and how each line says why (PLN-3, PLN-4)."""

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.test import Client

from accounts.models import Account
from accounts.permissions import FINANCE
from billing.explain import document
from billing.models import Invoice, InvoiceLine
from tests.billing_pages.conftest import client_of, words_of
from tests.factories import staff
from tests.planned import give_discounts, order_of, paid

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def invoices(account: Account) -> tuple[Invoice, Invoice]:
    """A registration of 16 days ago, and the change of today."""
    give_discounts()
    first = paid(order_of(account, 2, 100, 3, at=NOW - timedelta(days=16)), at=NOW - timedelta(days=16))
    second = paid(order_of(account, 2, 120, None, at=NOW), at=NOW)
    assert first.invoice is not None
    assert second.invoice is not None
    return first.invoice, second.invoice


def line_of(invoice: Invoice) -> dict[str, Any]:
    """The line as the document shows it."""
    lines = list(InvoiceLine.objects.filter(invoice=invoice))
    (section,) = document(invoice, lines, today=NOW.date())["sections"]
    (line,) = section["lines"]
    found: dict[str, Any] = line
    return found


def test_the_formula_is_the_whole_working(account: Account) -> None:
    """PLN-3, PLN-4: the numbers that give the amount, and what the rule is in words."""
    whole, change = invoices(account)
    first, second = line_of(whole), line_of(change)
    assert first["description"] == "Contact Center 2"
    assert first["why"]["formula"] == "35 × 100 × 3 months less 3%"
    assert whole.total == Decimal("10185.00")
    assert second["description"] == "Contact Center 2, change within the cycle"


def test_page(account: Account, owner_client: Client) -> None:
    whole, change = invoices(account)
    words = words_of(owner_client.get(f"/a/acme/billing/invoices/{whole.number}/"))
    assert f"Plan invoice {whole.number}" in words
    assert "Paid for Feb 14, 2026 to May 13, 2026" in words
    assert "Month ahead" not in words
    assert "35 × 100 × 3 months less 3% = $10,185.00 Paid for the whole cycle PLN-3" in words
    assert "Open the plan" in words
    words = words_of(owner_client.get(f"/a/acme/billing/invoices/{change.number}/"))
    assert "The new total less the old, for the days left of the cycle PLN-4" in words
    assert (
        "12,222 (35 × 120 × 3 months less 3%) less 10,185 (35 × 100 × 3 months less 3%), 73 of 89 days"
        in words
    )


def test_list_and_file(account: Account, owner_client: Client) -> None:
    whole, _ = invoices(account)
    words = words_of(owner_client.get("/a/acme/billing/invoices/"))
    assert f"{whole.number} Plan Feb 14, 2026 Feb 14, 2026 – May 13, 2026" in words
    content = b"".join(owner_client.get("/a/acme/billing/invoices.csv")).decode("utf-8-sig")
    row = list(csv.DictReader(StringIO(content)))[-1]
    assert (row["kind"], row["period from"], row["period to (excluded)"]) == (
        "Plan invoice",
        "2026-02-14",
        "2026-05-14",
    )


def test_finance(account: Account) -> None:
    """INV-5."""
    whole, _ = invoices(account)
    words = words_of(client_of(staff(FINANCE)).get(f"/finance/invoices/{whole.number}/"))
    assert f"Plan invoice {whole.number}" in words
    assert "Paid for Feb 14, 2026 to May 13, 2026" in words


def test_the_simulator_says_the_cycle_and_no_month_ahead(db: None, tmp_path: Path) -> None:
    """SIM-1."""
    story = tmp_path / "plan.json"
    events = [
        {
            "on": "2026-01-10",
            "do": "register_plan",
            "plan": "plan-contact-center-1",
            "quantity": 2,
            "months": 3,
        }
    ]
    told = {"until": "2026-01-20", "account": {"name": "Acme", "opened": "2026-01-10"}, "events": events}
    story.write_text(json.dumps(told))
    output = StringIO()
    call_command("simulate", str(story), stdout=output)
    assert "Plan invoice of 2026-01-10  (cycle: 2026-01-10 to 2026-04-10)" in output.getvalue()
    assert "month ahead" not in output.getvalue()
