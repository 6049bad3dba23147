"""USE-2, USE-3: the rate of a record: its meter's on its day, the brand's before that of all, the longest prefix."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Brand
from billing.models import Meter, MeterRate, PrefixRate
from billing.rating import Rate, RateBook, Rated, billed_seconds
from tests.billing.engine_facts import day
from tests.factories import BrandFactory


@pytest.mark.parametrize(
    ("seconds", "minimum", "increment", "billed"),
    [
        # The default: whole minutes.
        (1, 60, 60, 60),
        (59, 60, 60, 60),
        (60, 60, 60, 60),
        (61, 60, 60, 120),
        (3600, 60, 60, 3600),
        # Thirty seconds, then six by six.
        (1, 30, 6, 30),
        (30, 30, 6, 30),
        (31, 30, 6, 36),
        (36, 30, 6, 36),
        (37, 30, 6, 42),
        # By the second, with and without a minimum.
        (1, 0, 1, 1),
        (61, 0, 1, 61),
        (10, 20, 1, 20),
        # First up to the minimum, then to whole increments, whether or not the one is a multiple of the other.
        (10, 45, 60, 60),
        (50, 45, 60, 60),
        (10, 45, 10, 50),
        (46, 45, 10, 50),
        # A call of no seconds is not charged, whatever the minimum.
        (0, 60, 60, 0),
        (0, 0, 1, 0),
    ],
)
def test_calls_are_rounded_up_by_the_minimum_then_the_increment(
    seconds: int, minimum: int, increment: int, billed: int
) -> None:
    """USE-3."""
    assert billed_seconds(seconds, minimum, increment) == billed


@pytest.fixture
def brand(db: None) -> Brand:
    """A brand with no rates at all for anybody."""
    MeterRate.objects.all().delete()
    PrefixRate.objects.all().delete()
    found: Brand = BrandFactory()
    return found


def rate(meter: str, per_unit: str, since: str = "2020-01-01", **fields: Any) -> None:
    """A rate of a meter from a day on, for all brands unless one is named."""
    told: dict[str, Any] = {
        "minimum_seconds": 60,
        "increment_seconds": 60,
        "per_unit_currency": "USD",
    } | fields
    MeterRate.objects.create(meter_id=meter, per_unit=Decimal(per_unit), effective_on=day(since), **told)


def prefix(
    digits: str, per_unit: str, since: str = "2020-01-01", ends: str | None = None, **fields: Any
) -> None:
    """A rate of a destination from a day on."""
    told: dict[str, Any] = {"per_unit_currency": "USD"} | fields
    PrefixRate.objects.create(
        prefix=digits,
        per_unit=Decimal(per_unit),
        effective_on=day(since),
        ends_on=day(ends) if ends else None,
        **told,
    )


def per_unit(brand: Brand, meter: str, on: str, currency: str = "USD") -> Decimal | None:
    """What a unit costs on a day."""
    found = RateBook(brand.pk, currency).rate(meter, day(on))
    return found.per_unit if found else None


def reached(brand: Brand, number: str, on: str = "02-01") -> tuple[str, str] | None:
    """The prefix that decides on a number's rate, and the rate."""
    found = RateBook(brand.pk, "USD").reach(number, day(on))
    return (found[0], str(found[1].normalize())) if found else None


# --- meters ------------------------------------------------------------------------------------


def test_a_rate_holds_from_its_day_on_until_the_next(brand: Brand) -> None:
    """USE-5: at the rates of its day."""
    rate("domestic-local", "0.01", "01-10")
    rate("domestic-local", "0.02", "01-20")
    days = ["01-09", "01-10", "01-19", "01-20", "12-31"]
    assert [per_unit(brand, "domestic-local", on) for on in days] == [
        None,
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal("0.02"),
        Decimal("0.02"),
    ]


def test_a_brands_own_rate_goes_before_a_later_one_for_all(brand: Brand) -> None:
    rate("domestic-local", "0.01", "01-10")
    rate("domestic-local", "0.05", "01-12", brand=brand)
    rate("domestic-local", "0.02", "01-20")
    rate("domestic-local", "0.09", "01-01", brand=BrandFactory())
    assert per_unit(brand, "domestic-local", "01-11") == Decimal("0.01")
    assert per_unit(brand, "domestic-local", "01-12") == Decimal("0.05")
    assert per_unit(brand, "domestic-local", "01-25") == Decimal("0.05")


def test_a_rate_is_in_one_currency(brand: Brand) -> None:
    """BIL-12: one of another currency is none."""
    rate("domestic-local", "0.01")
    assert per_unit(brand, "domestic-local", "01-11", "EUR") is None
    rate("domestic-local", "0.009", per_unit_currency="EUR")
    assert per_unit(brand, "domestic-local", "01-11", "EUR") == Decimal("0.009")
    assert per_unit(brand, "domestic-local", "01-11") == Decimal("0.01")


def test_calls_are_rated_in_billed_seconds_and_the_rest_in_units(brand: Brand) -> None:
    """USE-3: the minimum and the increment are those of the day's rate too, and bear on calls alone."""
    rate("toll-free-inbound", "0.03", "01-01", minimum_seconds=30, increment_seconds=6)
    rate("toll-free-inbound", "0.04", "01-20")
    rate("ai-agent", "0.99")
    book = RateBook(brand.pk, "USD")
    assert book.rated("toll-free-inbound", day("01-19"), 31) == Rated(36, Decimal("0.03"), "")
    assert book.rated("toll-free-inbound", day("01-20"), 31) == Rated(60, Decimal("0.04"), "")
    assert book.rated("ai-agent", day("01-19"), 31) == Rated(31, Decimal("0.99"), "")
    assert book.rate("toll-free-inbound", day("01-19")) == Rate(Decimal("0.03"), 30, 6)


def test_where_no_rate_is_set_the_record_has_no_price(brand: Brand) -> None:
    """It is taken all the same; what a minimum and an increment would make of it nobody knows yet."""
    book = RateBook(brand.pk, "USD")
    assert book.rated("toll-free-inbound", day("01-19"), 31) == Rated(31, None, "")
    assert book.rated("agents", day("01-19"), 3) == Rated(3, None, "")


def test_every_meter_of_the_rules_is_there_and_has_a_rate(db: None) -> None:
    """USE-2."""
    assert set(Meter.objects.values_list("code", flat=True)) == {
        "domestic-local",
        "domestic-long-distance",
        "toll-free-inbound",
        "toll-free-inbound-ak-hi-pr-vi",
        "toll-free-inbound-canada",
        "international",
        "agents",
        "ivr-ports",
        "connect-messages",
        "ai-agent",
        "ai-assistant",
        "outbound-ivr",
    }
    book = RateBook(BrandFactory().pk, "USD")
    for meter in Meter.objects.all():
        found = book.rate(meter.pk, date(2026, 1, 1))
        assert found is not None
        assert (found.minimum_seconds, found.increment_seconds) == (60, 60)
        assert book.has(meter.pk)
        assert book.is_call(meter.pk) == meter.is_call
    assert not book.has("fax")


# --- destinations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+442079460000", ("+44", "0.05")),
        ("+447700900123", ("+447", "0.25")),
        ("+447624900123", ("+447624", "0.4")),
        ("+18765550100", ("+1876", "0.3")),
        ("+12425550100", ("+1", "0.2")),
        ("+4412", ("+4412", "0.01")),
        ("+491701234567", None),
        ("+4", None),
    ],
)
def test_the_longest_prefix_decides(brand: Brand, number: str, expected: tuple[str, str] | None) -> None:
    """USE-2."""
    for digits, amount in (
        ("+44", "0.05"),
        ("+447", "0.25"),
        ("+447624", "0.40"),
        ("+1876", "0.30"),
        ("+1", "0.20"),
        ("+4412", "0.01"),
    ):
        prefix(digits, amount)
    assert reached(brand, number) == expected


def test_a_prefix_holds_from_its_day_on_and_until_its_end(brand: Brand) -> None:
    """USE-2: where the longest does not hold, the next one does; the day on which it ends it does not."""
    prefix("+44", "0.05")
    prefix("+447", "0.20", "01-10", "01-20")
    prefix("+447", "0.30", "01-25")
    mobile = "+447700900123"
    days = ["01-09", "01-10", "01-19", "01-20", "01-24", "01-25"]
    assert [reached(brand, mobile, on) for on in days] == [
        ("+44", "0.05"),
        ("+447", "0.2"),
        ("+447", "0.2"),
        ("+44", "0.05"),
        ("+44", "0.05"),
        ("+447", "0.3"),
    ]


def test_a_later_rate_of_a_prefix_that_ends_gives_way_to_the_one_before(brand: Brand) -> None:
    """A rate for some days within one that has no end."""
    prefix("+44", "0.05", "01-01")
    prefix("+44", "0.02", "01-10", "01-20")
    assert [reached(brand, "+4420", on) for on in ("01-09", "01-15", "01-20")] == [
        ("+44", "0.05"),
        ("+44", "0.02"),
        ("+44", "0.05"),
    ]


def test_of_one_prefix_the_brands_rate_goes_first_but_a_longer_one_before_both(brand: Brand) -> None:
    """USE-2: the longest match decides, then whose it is."""
    prefix("+44", "0.05", "01-20")
    prefix("+44", "0.04", "01-01", brand=brand)
    prefix("+44", "0.01", "01-01", brand=BrandFactory())
    prefix("+447", "0.25")
    assert reached(brand, "+442079460000") == ("+44", "0.04")
    assert reached(brand, "+447700900123") == ("+447", "0.25")


def test_an_international_call_has_its_destinations_rate_and_its_meters_rounding(brand: Brand) -> None:
    """USE-2, USE-3: the meter's own rate is for the rest; only international calls ask for destinations."""
    rate("international", "0.50", minimum_seconds=30, increment_seconds=6)
    rate("domestic-long-distance", "0.02")
    prefix("+44", "0.05")
    prefix("+1", "0.77")
    book = RateBook(brand.pk, "USD")
    assert book.rated("international", day("02-01"), 31, "+442079460000") == Rated(36, Decimal("0.05"), "+44")
    assert book.rated("international", day("02-01"), 31, "+33123456789") == Rated(36, Decimal("0.50"), "")
    assert book.rated("domestic-long-distance", day("02-01"), 31, "+16175550100") == Rated(
        60, Decimal("0.02"), ""
    )


def test_a_destination_may_cost_nothing(brand: Brand) -> None:
    """A rate of zero is a rate."""
    rate("international", "0.50")
    prefix("+44", "0")
    rated = RateBook(brand.pk, "USD").rated("international", day("02-01"), 60, "+442079460000")
    assert rated == Rated(60, Decimal(0), "+44")


def test_a_prefix_in_another_currency_is_none(brand: Brand) -> None:
    """BIL-12."""
    prefix("+44", "0.05", per_unit_currency="EUR")
    assert reached(brand, "+442079460000") is None
