"""INV-6: money that comes in at one instant from two sides settles once; on PostgreSQL, where two are at work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import BankLine, Invoice, Payment, Refund
from billing.payments.banking import assign_line, take_file
from billing.payments.paying import books_seen, record_transfer
from billing.payments.refunds import ask_refund
from billing.payments.settling import Received
from billing.queries import balance_of
from tests.billing.world import an_account, on
from tests.paying import invoiced, transfer

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
DAY = date(2026, 3, 1)
ACTOR = Actor.for_command("tests")

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def both(act: Callable[[], object], other: Callable[[], object] | None = None) -> list[object]:
    """What two threads come to that begin at one instant; a refusal is its message."""
    barrier = Barrier(2)

    def run(action: Callable[[], object]) -> object:
        try:
            barrier.wait(10)
            return action()
        except Refused as refusal:
            return refusal.message
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        return [done.result(30) for done in [pool.submit(run, act), pool.submit(run, other or act)]]


@pytest.fixture
def account() -> Account:
    account = an_account(slug="acme", name="Acme")
    invoiced(account, Decimal(100), date(2026, 1, 15), **on(account, "01-15"))
    return account


def test_two_transfers_settle_an_invoice_once(account: Account) -> None:
    both(lambda: transfer(account, Decimal(80), DAY, actor=ACTOR, at=AT))
    assert Invoice.objects.get().settled == 100
    assert sorted(Payment.objects.values_list("left", flat=True)) == [0, 60]
    assert balance_of(account, DAY).credit == 60


def test_a_transfer_and_an_invoice_find_each_other(account: Account) -> None:
    transfer(account, Decimal(100), DAY, actor=ACTOR, at=AT)
    both(
        lambda: transfer(account, Decimal(50), DAY, actor=ACTOR, at=AT),
        lambda: invoiced(account, Decimal(50), DAY, actor=ACTOR, at=AT),
    )
    assert set(Invoice.objects.values_list("state", flat=True)) == {"paid"}
    assert balance_of(account, DAY).owed == 0


def test_a_double_click_records_one_transfer(account: Account) -> None:
    seen = books_seen(account)
    received = Received(Payment.Kind.TRANSFER, Decimal(30), DAY, "Ours")
    done = both(lambda: record_transfer(account, received, seen=seen, actor=ACTOR, at=AT))
    assert Payment.objects.count() == 1
    assert sum("Nothing was recorded" in str(each) for each in done) == 1


def test_two_refunds_never_come_to_more_than_is_left(account: Account) -> None:
    payment = transfer(account, Decimal(150), DAY, actor=ACTOR, at=AT)
    both(lambda: ask_refund(payment, Decimal(40), reason="x", actor=ACTOR, at=AT))
    assert Refund.objects.count() == 1
    assert Payment.objects.get().left == 10


def test_two_people_take_one_file_and_assign_one_line(account: Account) -> None:
    rows = [b"date,amount,currency,payer,text,id\n", b"2026-03-01,5.00,USD,x,hello,b-1\n"]
    both(lambda: take_file(rows, name="b.csv", actor=ACTOR, at=AT))
    line = BankLine.objects.get()
    both(lambda: assign_line(line, account, actor=ACTOR, at=AT))
    assert Payment.objects.get().amount == 5
