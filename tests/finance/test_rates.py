"""Rates of meters by date (USE-3): setting them, what is in force, and rating records anew."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from billing.explain import figures_words
from billing.models import Meter, MeterRate, UsageRecord
from billing.rates import NewRate, amount_text, open_records, read_amount, rerate_open, set_rate, standings
from billing.tasks import rerate
from billing.usage import record_usage
from tests.factories import AT, TESTS, AccountFactory, BrandFactory, staff

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 2)
WHO: dict[str, Any] = {"actor": TESTS, "at": AT}


def a_rate(amount: str = "0.0125", on: date = DAY, **fields: Any) -> NewRate:
    """A rate in USD for all brands."""
    return NewRate(Decimal(amount), fields.pop("currency", "USD"), on, **fields)


def local() -> Meter:
    return Meter.objects.get(pk="domestic-local")


def messages() -> Meter:
    return Meter.objects.get(pk="connect-messages")


class TestSetting:
    """A change is a new row."""

    def test_a_rate_is_a_new_row_and_in_the_providers_trail(self) -> None:
        before = MeterRate.objects.count()
        rate = set_rate(local(), a_rate(), **WHO)
        assert MeterRate.objects.count() == before + 1
        entry = AuditEntry.objects.get(action="set-rate")
        assert entry.account is None
        assert entry.summary == "Local calls: 0.0125 USD a minute from 2026-03-02, all brands"
        assert entry.target_id == str(rate.pk)

    def test_the_same_again_changes_nothing(self) -> None:
        first = set_rate(local(), a_rate(), **WHO)
        again = set_rate(local(), a_rate("0.01250"), **WHO)
        assert again == first
        assert AuditEntry.objects.filter(action="set-rate").count() == 1

    @pytest.mark.parametrize(
        "other", [a_rate("0.02"), a_rate(minimum_seconds=30), a_rate(increment_seconds=6)], ids=str
    )
    def test_another_of_the_same_day_is_refused(self, other: NewRate) -> None:
        """USE-3: nothing is overwritten."""
        kept = set_rate(local(), a_rate(), **WHO)
        with pytest.raises(Refused, match="never overwritten") as refused:
            set_rate(local(), other, **WHO)
        assert refused.value.field == "effective_on"
        kept.refresh_from_db()
        assert kept.per_unit.amount == Decimal("0.0125")

    @pytest.mark.parametrize(
        ("rate", "field"),
        [
            (a_rate("-0.01"), "per_unit"),
            (a_rate("0.000000001"), "per_unit"),
            (a_rate("1000000"), "per_unit"),
            (a_rate("NaN"), "per_unit"),
            (a_rate(on=date(206, 1, 1)), "effective_on"),
            (a_rate(increment_seconds=0), "increment_seconds"),
            (a_rate(minimum_seconds=3601), "minimum_seconds"),
        ],
        ids=str,
    )
    def test_what_cannot_be_is_refused(self, rate: NewRate, field: str) -> None:
        with pytest.raises(Refused) as refused:
            set_rate(local(), rate, **WHO)
        assert refused.value.field == field

    def test_what_was_written_is_an_amount_or_refused(self) -> None:
        assert read_amount(" 0.0125 ") == Decimal("0.0125")
        with pytest.raises(Refused, match="not an amount"):
            read_amount("0,0125")

    @pytest.mark.parametrize(("amount", "text"), [("0.0125", "0.0125"), ("25", "25.00"), ("0", "0.00")])
    def test_amounts_are_written_without_idle_zeros(self, amount: str, text: str) -> None:
        assert amount_text(Decimal(amount).quantize(Decimal("0.00000001"))) == text


class TestInForce:
    """A brand's own before others, the latest before earlier ones."""

    def test_the_latest_that_has_begun_and_the_next_one(self) -> None:
        set_rate(local(), a_rate("0.02", DAY - timedelta(days=1)), **WHO)
        set_rate(local(), a_rate("0.03", DAY + timedelta(days=1)), **WHO)
        set_rate(local(), a_rate("0.04", DAY + timedelta(days=2)), **WHO)
        found = next(each for each in standings(None, "USD", DAY) if each.meter == local())
        assert found.rate is not None
        assert found.rate.per_unit.amount == Decimal("0.02")
        assert found.following is not None
        assert found.following.per_unit.amount == Decimal("0.03")

    def test_a_brands_own_goes_before_a_later_one_for_all(self) -> None:
        brand = BrandFactory()
        set_rate(local(), a_rate("0.005", DAY - timedelta(days=9), brand=brand), **WHO)
        set_rate(local(), a_rate("0.02", DAY), **WHO)
        set_rate(local(), a_rate("0.03", DAY + timedelta(days=3)), **WHO)
        own = next(each for each in standings(brand, "USD", DAY) if each.meter == local())
        assert own.rate is not None
        assert own.rate.brand == brand
        assert own.following is None, "one for all brands is no change for a brand that has its own"
        others = next(each for each in standings(None, "USD", DAY) if each.meter == local())
        assert others.rate is not None
        assert others.rate.per_unit.amount == Decimal("0.02")


def messages_of(account: Account, record_id: str = "r1", days: int = 0) -> UsageRecord:
    """A record of messages, so many days before today."""
    record_usage(account, record_id, "connect-messages", 3, occurred_at=AT - timedelta(days=days), **WHO)
    return UsageRecord.objects.get(account=account, record_id=record_id)


class TestAnew:
    """What came in before its rate was set, as long as no invoice holds it."""

    def test_open_records_are_counted_and_rated_anew(self) -> None:
        account, other = AccountFactory(), AccountFactory(currency="EUR")
        record, euros = messages_of(account), messages_of(other)
        assert record.unit_price == Decimal("0.009")
        set_rate(messages(), a_rate("0.5", DAY - timedelta(days=1)), **WHO)
        assert open_records(messages(), None, "USD", DAY).count() == 1
        assert open_records(messages(), None, "", DAY).count() == 2
        assert open_records(messages(), None, "USD", DAY + timedelta(days=1)).count() == 0
        assert open_records(messages(), account.brand, "USD", DAY).count() == 1
        assert open_records(messages(), other.brand, "USD", DAY).count() == 0
        assert rerate_open(messages(), None, "USD", DAY, **WHO) == (1, 1)
        record.refresh_from_db()
        euros.refresh_from_db()
        assert record.unit_price == Decimal("0.5")
        assert euros.unit_price == Decimal("0.008")
        assert AuditEntry.objects.get(action="rerate-usage").account == account
        assert rerate_open(messages(), None, "USD", DAY, **WHO) == (0, 0)

    def test_what_an_invoice_holds_is_left_out(self) -> None:
        account = AccountFactory()
        record = messages_of(account)
        account.schedule.last_bdom_on = record.recorded_on + timedelta(days=1)
        account.schedule.save()
        assert not open_records(messages(), None, "USD", DAY).exists()

    def test_the_workers_task_does_it_for_the_person_who_asked(self) -> None:
        account = AccountFactory()
        record = messages_of(account)

        person = staff("Finance")
        set_rate(messages(), a_rate("0.5"), **WHO)
        rerate("connect-messages", None, "USD", DAY.isoformat(), person.pk)
        record.refresh_from_db()
        assert record.unit_price == Decimal("0.5")
        assert AuditEntry.objects.get(action="rerate-usage").user == person


class TestCommand:
    """`manage.py rerate`, which the words of a missing rate name (BIL-9)."""

    def test_it_rates_an_accounts_usage_anew(self) -> None:
        account = AccountFactory(slug="harbor")
        MeterRate.objects.filter(meter="connect-messages").delete()
        record = messages_of(account)
        assert record.unit_price is None
        set_rate(messages(), a_rate("0.5"), **WHO)
        out = StringIO()
        call_command("rerate", "harbor", "--from", "2026-03-03", stdout=out)
        assert "0 records" in out.getvalue()
        call_command("rerate", "harbor", stdout=out)
        assert "Rated anew: 1 record." in out.getvalue()
        record.refresh_from_db()
        assert record.unit_price == Decimal("0.5")

    @pytest.mark.parametrize("words", [["nobody"], ["harbor", "--from", "yesterday"]], ids=str)
    def test_bad_input_is_named(self, words: list[str]) -> None:
        AccountFactory(slug="harbor")
        with pytest.raises(CommandError, match=r"Nothing was changed\.") as error:
            call_command("rerate", *words)
        assert error.value.returncode == 2


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("1397 min in 12345 calls to +44, +18765", "1,397 min in 12,345 calls to +44, +18765"),
        ("9 on 2026-11-15, 0 included", "9 on 2026-11-15, 0 included"),
        ("tf-500: 1500.1234 min used, 500 included", "tf-500: 1,500.1234 min used, 500 included"),
        ("7-day delay from 2026-01-10", "7-day delay from 2026-01-10"),
    ],
)
def test_large_numbers_of_a_lines_reason_are_written_as_people_do(sentence: str, shown: str) -> None:
    assert figures_words(sentence) == shown
