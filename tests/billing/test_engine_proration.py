"""BIL-4 by tables: amounts are rounded half up to the currency's minor unit, once."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine import minor_unit, prorate, round_half_up, split
from tests.properties import examples

PRICES = st.decimals(0, 100_000, places=4)
DECIMALS = st.sampled_from([0, 2, 3])


@pytest.mark.parametrize(
    ("price", "quantity", "days", "of_days", "decimals", "amount"),
    [
        ("29.99", 5, 29, 31, 2, "140.28"),  # 140.2758…
        ("10.00", 1, 1, 8, 2, "1.25"),
        ("0.10", 1, 1, 4, 2, "0.03"),  # 0.025: half up, where half-even gives 0.02
        ("0.30", 1, 1, 4, 2, "0.08"),  # 0.075
        ("0.90", 1, 1, 20, 2, "0.05"),  # 0.045
        ("29.99", 1, 31, 31, 2, "29.99"),
        ("29.99", 1, 0, 31, 2, "0.00"),
        ("0.00", 9, 3, 31, 2, "0.00"),
        ("0.333", 3, 1, 1, 2, "1.00"),  # the unit price is not rounded: 3 × 0.33 would be 0.99
        ("0.0001", 50, 1, 1, 2, "0.01"),  # 0.005
        ("0.0001", 49, 1, 1, 2, "0.00"),
        ("1000", 1, 1, 31, 0, "32"),  # JPY: 32.26
        ("1000", 1, 14, 28, 0, "500"),
        ("1001", 1, 14, 28, 0, "501"),  # 500.5
        ("1.000", 1, 1, 16, 3, "0.063"),  # KWD: 0.0625
        ("7.000", 1, 10, 28, 3, "2.500"),
    ],
)
def test_amounts_are_rounded_half_up_once(
    price: str, quantity: int, days: int, of_days: int, decimals: int, amount: str
) -> None:
    """BIL-4, BIL-12."""
    got = prorate(Decimal(price), quantity, days, of_days, decimals)
    assert str(got) == amount


@pytest.mark.parametrize(("days", "of_days"), [(-1, 31), (32, 31)])
def test_days_that_are_no_part_of_a_period_are_refused(days: int, of_days: int) -> None:
    with pytest.raises(ValueError, match="no part of a period"):
        prorate(Decimal(1), 1, days, of_days, 2)


@pytest.mark.parametrize(
    ("amount", "decimals", "rounded"),
    [("2.5", 0, "3"), ("-2.5", 0, "-3"), ("2.4999", 0, "2"), ("1.005", 2, "1.01"), ("-0.0004", 3, "-0.000")],
)
def test_halves_go_away_from_zero(amount: str, decimals: int, rounded: str) -> None:
    """BIL-4: a credit of a half gives back what the charge of it took."""
    assert str(round_half_up(Decimal(amount), decimals)) == rounded


@examples(300)
@given(PRICES, st.integers(1, 100_000), st.integers(1, 31), st.data(), DECIMALS)
def test_an_amount_is_the_nearest_to_the_exact_one(
    price: Decimal, quantity: int, of_days: int, data: st.DataObject, decimals: int
) -> None:
    """BIL-4, against fractions: never more than half a minor unit away, and the half goes up."""
    days = data.draw(st.integers(0, of_days))
    exact = Fraction(price) * quantity * days / of_days
    apart = Fraction(prorate(price, quantity, days, of_days, decimals)) - exact
    half = Fraction(minor_unit(decimals)) / 2
    assert -half < apart <= half


@pytest.mark.parametrize(
    ("total", "weights", "decimals", "parts"),
    [
        ("10.00", [1, 1, 1], 2, ["3.34", "3.33", "3.33"]),
        ("20.00", [1, 1, 1], 2, ["6.67", "6.67", "6.66"]),
        ("0.01", [1, 1], 2, ["0.01", "0.00"]),
        ("-10.00", [1, 1, 1], 2, ["-3.34", "-3.33", "-3.33"]),
        ("100", [1, 2, 0], 0, ["33", "67", "0"]),
        ("1.000", [3, 3, 3], 3, ["0.334", "0.333", "0.333"]),
    ],
)
def test_shares(total: str, weights: list[Decimal | int], decimals: int, parts: list[str]) -> None:
    assert sorted(map(str, split(Decimal(total), weights, decimals))) == sorted(parts)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [2, -1]])
def test_shares_of_nothing_are_refused(weights: list[Decimal | int]) -> None:
    with pytest.raises(ValueError, match=r"weights|min|empty"):
        split(Decimal(1), weights, 2)


@examples(200)
@given(
    st.integers(-10_000_000, 10_000_000),
    st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any),
    DECIMALS,
)
def test_shares_sum_to_the_whole(units: int, weights: list[int], decimals: int) -> None:
    """Whatever is split, the parts are whole minor units, sum to it, and each is within one unit of its share."""
    unit = minor_unit(decimals)
    total = unit * units
    parts = split(total, weights, decimals)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert part == round_half_up(part, decimals)
        assert abs(Fraction(part) - Fraction(total) * weight / sum(weights)) <= Fraction(unit)
