"""`manage.py bill --on DATE`: what beat does, by hand (BIL-7, BIL-8)."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import Account
from billing.models import Charge, Invoice, InvoiceRun
from tests.staff.conftest import licensed


def bill(*arguments: str, now: str = "2026-02-20T12:00") -> str:
    out = StringIO()
    with time_machine.travel(datetime.fromisoformat(now).replace(tzinfo=UTC), tick=False):
        call_command("bill", *arguments, stdout=out)
    return out.getvalue()


def billed() -> list[tuple[str, str]]:
    rows = Invoice.objects.order_by("pk").values_list("account__name", "issued_on")
    return sorted((name, f"{on:%m-%d}") for name, on in rows)


def test_bills_up_to_the_day_and_no_further(accounts: list[Account]) -> None:
    """BIL-8: January now, February when it is asked for; each once."""
    said = bill("--on", "2026-02-14")
    assert billed() == [("Auckland", "01-15"), ("Prague", "01-15"), ("York", "01-15")]
    assert "invoices 3, lines 6, BDOMs dealt with 3, charges moved 3, accounts set aside 0" in said
    # Each 6 of 31 days and the month ahead.
    assert "Total USD 111.00" in said
    bill("--on", "2026-02-15")
    bill("--on", "2026-02-15")
    assert len(billed()) == 6


def test_today_is_billed_where_it_has_begun(accounts: list[Account]) -> None:
    """BIL-7: at noon in UTC the 15th is over in none of them; at 06:00 the day before it began in none."""
    bill("--on", "2026-01-15", now="2026-01-14T23:30")
    assert [name for name, _ in billed()] == ["Auckland", "Prague"]


def test_never_a_day_after_the_one_asked_for_in_any_zone(db: None) -> None:
    """At noon in UTC the 16th has begun in Kiritimati, while the 15th has only just begun in Pago Pago."""
    licensed("Kiritimati", timezone="Pacific/Kiritimati", bdom=16)
    licensed("Pago", timezone="Pacific/Pago_Pago", bdom=15)
    bill("--on", "2026-01-15", now="2026-01-15T12:00")
    assert [name for name, _ in billed()] == ["Pago"]


def test_one_account_alone(accounts: list[Account]) -> None:
    said = bill("--on", "2026-02-15", "--account", "york")
    assert billed() == [("York", "01-15"), ("York", "02-15")]
    assert InvoiceRun.objects.get().only == accounts[2]
    assert "charges moved 1" in said
    assert Charge.objects.filter(state="waiting").count() == 2


def test_a_day_that_has_not_begun_is_refused_unless_told_otherwise(accounts: list[Account]) -> None:
    with pytest.raises(CommandError, match="has not begun anywhere") as refusal:
        bill("--on", "2026-03-15")
    assert refusal.value.returncode == 2
    with pytest.raises(CommandError, match="has not begun in America/New_York"):
        bill("--on", "2026-02-21", "--account", "york", now="2026-02-21T03:00")
    assert not InvoiceRun.objects.exists()
    bill("--on", "2026-03-15", "--ahead")
    assert {on for _, on in billed()} == {"01-15", "02-15", "03-15"}


def test_failures_are_listed_and_end_with_status_1(broken: Account) -> None:
    with pytest.raises(CommandError, match="Accounts set aside: 1") as failure:
        bill("--on", "2026-01-15")
    assert failure.value.returncode == 1
    assert [name for name, _ in billed()] == ["Auckland", "York"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--on", "2026-02-30"), "“2026-02-30” is not a date"),
        (("--on", "tomorrow"), "“tomorrow” is not a date"),
        (("--on", "9999-12-31", "--ahead"), "more than ten years ahead"),
        (("--on", "2026-01-15", "--account", "nobody"), "no account “nobody”"),
        ((), "--on"),
    ],
)
def test_bad_input_is_said_and_nothing_is_billed(
    accounts: list[Account], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        bill(*arguments)
    assert not InvoiceRun.objects.exists()
