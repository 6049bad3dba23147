"""ORD-4: from the quoted total to the invoiced one, each difference with its reason, adding up exactly."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.engine import Line, Section
from billing.engine.quoted import Difference, Quoted, Waiting, walk

ON = date(2026, 2, 10)


def quoted(product: str, quantity: int, price: str, *, is_recurring: bool = True) -> Quoted:
    return Quoted(product, quantity, Decimal(price), is_recurring, Decimal(price) * quantity)


def line(
    product: str,
    quantity: int,
    amount: str,
    *,
    section: Section = Section.RECURRING,
    starts_on: date = ON,
) -> Line:
    values = (None, "", "", "", "BIL-2", "", ())
    return Line(section, product, quantity, Decimal(1), starts_on, ON, None, None, Decimal(amount), *values)


def told(offers: list[Quoted], lines: list[Line], waiting: list[Waiting]) -> list[tuple[str, str, int, str]]:
    found = walk(offers, lines, waiting, ON, 2)
    assert found.quoted + sum(step.amount for step in found.steps) == found.invoiced
    return [(step.difference, step.product, step.quantity, str(step.amount)) for step in found.steps]


def test_an_invoice_like_its_quote_has_no_steps() -> None:
    assert told([quoted("a", 5, "30.00")], [line("a", 5, "150.00")], []) == []


def test_a_partial_month_is_proration() -> None:
    """BIL-4: it stands beside the month ahead."""
    lines = [line("a", 5, "150.00"), line("a", 5, "116.13", starts_on=date(2026, 1, 17))]
    assert told([quoted("a", 5, "30.00")], lines, []) == [("proration", "a", 0, "116.13")]


def test_what_waits_says_for_what() -> None:
    """BIL-3: for its delay, its activation, its shipment."""
    assert told(
        [quoted("a", 5, "30.00"), quoted("b", 2, "60.00"), quoted("c", 4, "89.00", is_recurring=False)],
        [line("c", 1, "89.00", section=Section.HARDWARE)],
        [
            Waiting("a", 5, Difference.DELAY, date(2026, 2, 11)),
            Waiting("b", 2, Difference.CONDITION, None),
            Waiting("c", 3, Difference.NOT_SHIPPED, None),
        ],
    ) == [
        ("delay", "a", 5, "-150.00"),
        ("condition", "b", 2, "-120.00"),
        ("not-shipped", "c", 3, "-267.00"),
    ]


def test_what_was_added_dropped_and_priced_anew_since() -> None:
    assert told(
        [quoted("a", 5, "30.00"), quoted("b", 2, "60.00"), quoted("c", 1, "10.00")],
        [line("a", 7, "210.00"), line("b", 1, "60.00"), line("c", 1, "12.50"), line("d", 1, "9.99")],
        [],
    ) == [
        ("added", "a", 2, "60.00"),
        ("added", "d", 1, "9.99"),
        ("dropped", "b", 1, "-60.00"),
        ("price", "c", 0, "2.50"),
    ]


def test_usage_credits_and_taxes_have_steps_of_their_own() -> None:
    assert told(
        [],
        [
            line("m", 3, "0.30", section=Section.USAGE),
            line("a", 1, "-4.00", section=Section.CREDIT),
            line("tax", 1, "1.10", section=Section.TAX),
        ],
        [],
    ) == [("usage", "m", 0, "0.30"), ("credit", "a", 0, "-4.00"), ("tax", "tax", 0, "1.10")]


LINES = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(1, 20),
        st.integers(-10_000, 100_000),
        st.sampled_from(list(Section)),
        st.sampled_from([ON, date(2026, 1, 20)]),
    ),
    max_size=8,
)
QUOTED = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(1, 20), st.integers(0, 10_000)))
WAITING = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 20), st.sampled_from(list(Difference)[:3]))
)


@given(QUOTED, LINES, WAITING)
def test_the_steps_always_add_up(
    offers: dict[str, tuple[int, int]],
    lines: list[tuple[str, int, int, Section, date]],
    waiting: list[tuple[str, int, Difference]],
) -> None:
    """ORD-4: whatever was quoted, billed and still waits."""
    found = walk(
        [quoted(code, quantity, f"{cents / 100:.2f}") for code, (quantity, cents) in offers.items()],
        [
            line(code, quantity, f"{cents / 100:.2f}", section=section, starts_on=starts_on)
            for code, quantity, cents, section, starts_on in lines
        ],
        [Waiting(code, quantity, because, None) for code, quantity, because in waiting],
        ON,
        2,
    )
    assert found.quoted + sum(step.amount for step in found.steps) == found.invoiced
    assert all(step.amount for step in found.steps)
