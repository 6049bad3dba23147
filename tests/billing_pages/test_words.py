"""The words and figures that explain an invoice, case by case."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Account
from billing import explain, queries
from billing.engine.bridge import Side, bridge
from billing.models import BillingSchedule, Charge, Invoice, InvoiceLine
from tests.billing_pages.conftest import TODAY, Story
from tests.billing_pages.test_bridge import february, january, line


@pytest.mark.parametrize(
    ("section", "price", "quantity", "days", "of_days", "expected"),
    [
        ("recurring", "29.99", 5, 29, 31, "29.99 × 5 × 29 of 31 days"),
        ("recurring", "29.99", 5, 28, 28, "29.99 × 5"),
        ("recurring", "2.9925", 1200, 28, 28, "2.9925 × 1,200"),
        ("credit", "29.99", 1, 13, 28, "−29.99 × 1 × 13 of 28 days"),
        ("one-time", "99", 2, None, None, "99.00 × 2"),
    ],
)
def test_formula(
    section: str, price: str, quantity: int, days: int | None, of_days: int | None, expected: str
) -> None:
    """BIL-4, BIL-11: the numbers that an amount is made of, unit prices with all their decimals."""
    made = InvoiceLine(
        section=section, unit_price=Decimal(price), quantity=quantity, days=days, of_days=of_days
    )
    assert explain.formula(made, 2) == expected


def test_days_are_told_by_the_first_and_the_last() -> None:
    """The end of a line is its first day that is not billed; people are told the last that is."""
    assert explain.days_words(date(2026, 1, 17), date(2026, 2, 15)) == "2026-01-17 to 2026-02-14"
    assert (
        explain.days_words(TODAY, TODAY)
        == explain.days_words(TODAY, TODAY + timedelta(days=1))
        == "2026-03-02"
    )


@pytest.mark.parametrize(("days", "is_late"), [(1, True), (0, False), (-1, False)])
def test_an_invoice_is_overdue_the_day_after_it_was_due(days: int, is_late: bool) -> None:
    invoice = Invoice(kind="bdom", state="issued", due_on=TODAY - timedelta(days=days), total=Decimal(1))
    assert explain.is_overdue(invoice, TODAY) is is_late


def test_units_of_several_lines_at_one_price_are_counted_together() -> None:
    """A month ahead in two lines, one of which ends early, is one thing in the bridge."""
    after = february(line("30", quantity=3), line("12", quantity=2))
    (step,) = bridge(january(), after, 2).steps
    assert [(moved.quantity, moved.amount) for moved in step.moved] == [(5, Decimal(42))]
    assert isinstance(after, Side)


def test_what_was_recorded_late_is_not_billed_yet(story: Story) -> None:
    """BIL-7: a charge that had begun before the last BDOM, and was recorded after it, is on the next invoice."""
    story.play()
    schedule = BillingSchedule.objects.get(account=story.account)
    assert schedule.last_bdom_on == date(2026, 2, 15)
    for recorded_on in (date(2026, 2, 14), date(2026, 2, 15)):
        Charge.objects.create(
            account=story.account, product_id="fax-line", quantity=1, unit_price=Decimal(10),
            added_on=date(2026, 2, 1), billing_starts_on=date(2026, 2, 1), start_recorded_on=recorded_on,
            basis="added", basis_on=date(2026, 2, 1), subject=f"service:{recorded_on.day}",
        )  # fmt: skip
    Charge.objects.update(state="billing")
    groups = queries.ledger_groups(story.account, schedule.last_bdom_on)
    (pending,) = queries.not_billed_yet(story.account, schedule, groups)
    assert pending.subject == "service:15"
    # 14 of 31 days, all of the period that was missed, and the month ahead.
    assert pending.first_amount == Decimal("4.52") + 10 + 10


def test_a_draft_is_nobodys_business(account: Account, owner_client: Client) -> None:
    """INV-1: what is not issued has no page, whatever number is asked for."""
    Invoice.objects.create(
        account=account, brand=account.brand, kind="plan", issued_on=TODAY, due_on=TODAY, number="DRAFT-1",
        period_start=TODAY, period_end=TODAY, currency="USD", subtotal=1, tax=0, total=1,
    )  # fmt: skip
    assert owner_client.get("/a/acme/billing/invoices/DRAFT-1/").status_code == 404
