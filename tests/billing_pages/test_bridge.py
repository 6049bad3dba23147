"""The bridge from one invoice to the next: tables of cases, and that it always adds up."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine import AccountTerms, ChargeFacts, Line, ProductTerms, Section, draft, next_bdom
from billing.engine.bridge import Bridge, BridgeStep, Repriced, Side, Step, bridge
from billing.explain import difference_words

JAN, FEB, MAR = date(2026, 1, 15), date(2026, 2, 15), date(2026, 3, 15)
LICENCE = "uc-licence"


def line(
    amount: str,
    *,
    quantity: int = 1,
    price: str = "10",
    starts_on: date = FEB,
    section: Section = Section.RECURRING,
    product: str = LICENCE,
    subject: str = "",
    charges: tuple[int, ...] = (),
) -> Line:
    """A line with the facts that the bridge looks at."""
    return Line(
        section, product, quantity, Decimal(price), starts_on, MAR, 28, 28, Decimal(amount), None,
        subject, "", "", "BIL-2", "", charges,
    )  # fmt: skip


def january(*lines: Line) -> Side:
    """An earlier invoice, whose month ahead begins in January."""
    moved = (made._replace(starts_on=JAN) if made.starts_on == FEB else made for made in lines)
    return Side(JAN, list(moved))


def february(*lines: Line) -> Side:
    """The invoice after it."""
    return Side(FEB, list(lines))


def among(*repriced: int) -> Repriced:
    """These charges were repriced."""
    return lambda asked: asked & frozenset(repriced)


def told(found: Bridge) -> dict[Step, str]:
    """Each step with its amount."""
    return {step.step: str(step.amount) for step in found.steps}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([], [], {}, id="nothing"),
        pytest.param([line("10")], [line("10")], {}, id="the same again"),
        pytest.param([], [line("10")], {Step.NEW: "10"}, id="the first"),
        pytest.param(
            [line("20", quantity=2)], [line("50", quantity=5)], {Step.NEW: "30"}, id="more units of a product"
        ),
        pytest.param(
            [line("50", quantity=5)], [line("20", quantity=2)], {Step.ENDED: "-30"}, id="fewer units"
        ),
        pytest.param(
            [line("10", subject="number:1")],
            [line("10", subject="number:2")],
            {Step.NEW: "10", Step.ENDED: "-10"},
            id="another number in the place of one",
        ),
        pytest.param(
            [],
            [line("140.28", starts_on=JAN + timedelta(days=2)), line("149.95")],
            {Step.NEW: "149.95", Step.PARTIAL: "140.28"},
            id="partial month and month ahead (BIL-4)",
        ),
        pytest.param(
            [line("140.28", starts_on=date(2026, 1, 1)), line("149.95")],
            [line("149.95")],
            {Step.PARTIAL: "-140.28"},
            id="a partial month is not there again",
        ),
        pytest.param(
            [line("10")],
            [line("-4.52", section=Section.CREDIT, starts_on=date(2026, 2, 1))],
            {Step.ENDED: "-10", Step.CREDITS: "-4.52"},
            id="ended, with its credit (BIL-5)",
        ),
        pytest.param(
            [line("-4.52", section=Section.CREDIT, starts_on=JAN)],
            [],
            {Step.CREDITS: "4.52"},
            id="a credit is not given again",
        ),
        pytest.param(
            [line("99", section=Section.HARDWARE)],
            [line("10", section=Section.ONE_TIME)],
            {Step.ONE_TIME: "-89"},
            id="one-time charges and hardware",
        ),
        pytest.param(
            [],
            [line("3", section=Section.USAGE), line("1", section=Section.FEE), line("2", section=Section.TAX)],
            {Step.USAGE: "3", Step.FEES: "3"},
            id="usage, fees and taxes",
        ),
        pytest.param([line("10")], [line("7.14")], {Step.ENDED: "-2.86"}, id="a month ahead that ends early"),
    ],
)  # fmt: skip
def test_steps(before: list[Line], after: list[Line], expected: dict[Step, str]) -> None:
    """Each kind of difference goes into its own step (BIL-11)."""
    assert told(bridge(january(*before), february(*after), 2)) == expected


def test_a_new_price_is_told_apart_from_units_that_went_and_came() -> None:
    """BIL-6: units that were repriced are a change of price; without that knowledge they ended and began."""
    before = january(line("50", quantity=5, price="10", charges=(1,)))
    after = february(line("60", quantity=5, price="12", charges=(2,)))
    assert told(bridge(before, after, 2, among(2))) == {Step.PRICES: "10"}
    assert told(bridge(before, after, 2)) == {Step.NEW: "60", Step.ENDED: "-50"}


def test_units_bought_at_the_new_price_stay_new() -> None:
    """Of 7 units at the new price 5 had the old one; 2 are new."""
    before = january(line("50", quantity=5, price="10"))
    after = february(line("84", quantity=7, price="12", charges=(2, 3)))
    found = bridge(before, after, 2, among(2))
    assert told(found) == {Step.NEW: "24.00", Step.PRICES: "10.00"}
    assert [(moved.quantity, moved.amount) for moved in found.steps[0].moved] == [(2, Decimal("24.00"))]


def test_nothing_is_asked_where_no_price_lost_units() -> None:
    """Units at another price beside the old ones were bought, not repriced."""
    before = january(line("50", quantity=5, price="10", charges=(1,)))
    after = february(
        line("50", quantity=5, price="10", charges=(1,)), line("24", quantity=2, price="12", charges=(3,))
    )

    def never(charges: frozenset[int]) -> frozenset[int]:
        raise AssertionError("asked")

    assert told(bridge(before, after, 2, never)) == {Step.NEW: "24"}


def test_the_parts_of_a_step_name_what_moved() -> None:
    """The largest part first, each product once."""
    after = february(
        line("30", quantity=3),
        line("10", product="fax-line", subject="service:1"),
        line("15", product="webfax"),
    )
    (step,) = bridge(january(), after, 2).steps
    assert [(moved.product, moved.quantity) for moved in step.moved] == [
        (LICENCE, 3), ("webfax", 1), ("fax-line", 1),
    ]  # fmt: skip


AMOUNTS = st.decimals(min_value=-500, max_value=500, places=2)
LINES = st.lists(
    st.builds(
        lambda amount, quantity, price, starts, section, product, subject, charges: line(
            str(amount), quantity=quantity, price=price, starts_on=starts, section=section, product=product,
            subject=subject, charges=(charges,),
        ),
        AMOUNTS,
        st.integers(1, 9),
        st.sampled_from(["10", "12", "10.00", "9.995"]),
        st.sampled_from([JAN, date(2026, 2, 1), FEB]),
        st.sampled_from(list(Section)),
        st.sampled_from([LICENCE, "fax-line"]),
        st.sampled_from(["", "number:1", "number:2"]),
        st.integers(1, 6),
    ),
    max_size=12,
)  # fmt: skip


@given(LINES, LINES, st.frozensets(st.integers(1, 6)))
def test_it_always_adds_up(before: list[Line], after: list[Line], repriced: frozenset[int]) -> None:
    """Whatever the lines, the steps sum to the difference, and no step is empty."""
    found = bridge(Side(FEB, before), Side(FEB, after), 2, among(*repriced))
    assert found.before == sum((made.amount for made in before), Decimal(0))
    assert found.after == sum((made.amount for made in after), Decimal(0))
    assert sum((step.amount for step in found.steps), Decimal(0)) == found.difference
    assert all(step.amount for step in found.steps)
    for step in found.steps:
        assert sum((moved.amount for moved in step.moved), Decimal(0)) == step.amount


@given(LINES)
def test_from_an_invoice_to_itself_there_is_no_step(lines: list[Line]) -> None:
    """Nothing differs, so nothing is told."""
    assert bridge(Side(FEB, lines), Side(FEB, lines), 2).steps == ()


CHARGES = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 60), st.none() | st.integers(0, 70), st.integers(1, 999)),
    max_size=8,
)


@given(CHARGES, st.integers(1, 31))
def test_drafts_of_two_months_are_bridged_by_their_totals(
    made: list[tuple[int, int, int | None, int]], bdom: int
) -> None:
    """Two drafts of one ledger, as the run draws them: the steps lead from the one's total to the other's."""
    opened = date(2026, 1, 1)
    charges = []
    for number, (quantity, starts, lasts, cents) in enumerate(made):
        starts_on = opened + timedelta(days=starts)
        ended_on = None if lasts is None else starts_on + timedelta(days=lasts)
        charges.append(
            ChargeFacts(
                number, LICENCE, quantity, Decimal(cents) / 100, starts_on, starts_on, None, ended_on, ended_on,
                "timed", starts_on, 7, "", "", "", None,
            )
        )  # fmt: skip
    terms = AccountTerms(bdom, 2)
    products = {LICENCE: ProductTerms(LICENCE, Section.RECURRING, True, True, 1)}
    first_on = next_bdom(bdom, opened + timedelta(days=31))
    second_on = next_bdom(bdom, first_on)
    first = draft(terms, products, charges, first_on)
    second = draft(terms, products, charges, second_on)
    found = bridge(Side(first_on, first.lines), Side(second_on, second.lines), 2)
    assert first.total + sum(step.amount for step in found.steps) == second.total
    assert {step.step for step in found.steps} <= {Step.NEW, Step.PARTIAL, Step.ENDED, Step.CREDITS}


@pytest.mark.parametrize(
    ("step", "after", "words"),
    [
        (Step.USAGE, "5", "less usage"),
        (Step.USAGE, "0", "no usage this time"),
        (Step.USAGE, "12", "usage"),
        (Step.ONE_TIME, "5", "fewer one-time charges"),
    ],
)
def test_a_difference_is_told_in_words(step: Step, after: str, words: str) -> None:
    """BIL-11: what there is less of is one thing, what there are fewer of are many."""
    before = Decimal(10)
    found = Bridge(before, Decimal(after), (BridgeStep(step, before, Decimal(after), ()),))
    assert difference_words(found, {}) == words
