"""Files of call records and other usage: what is taken of them, what is refused, and that nothing counts twice."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from accounts.models import Account
from billing.models import UsageImport, UsageRecord
from telephony.usage_import import receive_file, run_import
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought

CALLS = "id,at,account,from,to,seconds,direction"


@pytest.fixture(autouse=True)
def _numbers(account: Account) -> None:
    bought(account, "+12125550100")
    bought(account, "+18005550123")


def imported(text: str | bytes) -> UsageImport:
    content = text if isinstance(text, bytes) else text.encode()
    found = receive_file("calls.csv", BytesIO(content), source=UsageImport.Source.UPLOAD, actor=TESTS, at=AT)
    return run_import(found, actor=TESTS, clock=lambda: AT)


def faults(found: UsageImport) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.field, fault.reason) for fault in found.faults.all()]


def test_calls_are_taken_with_the_meter_that_their_numbers_tell() -> None:
    """USE-1, USE-2: the account is named, or follows from a number of its own."""
    found = imported(
        f"{CALLS}\n"
        "a,2026-03-01T10:00:00-05:00,northwind,+12125550100,+12125550199,61,outbound\n"
        "b,2026-03-01T15:00:00Z,,+13105550188,+18005550123,30,\n"
        "c,2026-03-01T15:00:00Z,,anonymous,+18005550123,30,inbound\n"
        "d,2026-03-01T15:00:00Z,,+13105550188,+12125550100,30,\n"
    )
    assert faults(found) == []
    assert (found.state, found.taken, found.free, found.known, found.refused) == ("finished", 3, 1, 0, 0)
    assert list(
        UsageRecord.objects.order_by("id").values_list("record_id", "meter", "quantity", "units")
    ) == [
        ("a", "domestic-local", 61, 120),
        ("b", "toll-free-inbound", 30, 60),
        ("c", "toll-free-inbound", 30, 60),
    ]
    assert not Path(found.path).exists()
