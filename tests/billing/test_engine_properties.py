"""Section 9 as properties: random ledgers, against an oracle that looks at each day by itself (BIL-9).

The ledgers are as actions write them: an end is recorded on its own day or, where a request was slow, a day later;
a beginning in advance (delays), on its day, or afterwards; a new price has its end and beginning on a BDOM to come.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from billing.engine import AccountTerms, ChargeFacts, Draft, Line, Section, draft, minor_unit
from billing.engine.reasons import Basis
from tests.billing.engine_facts import PRODUCTS
from tests.properties import examples

FIRST = date(2027, 11, 20)
SPAN = 200
AFTER = 800  # days from FIRST by which all that can happen has been invoiced


# --- ledgers ---------------------------------------------------------------------------------

prices = st.decimals(0, 500, places=4) | st.sampled_from([Decimal("29.99"), Decimal("2.50"), Decimal(10)])
days_of_span = st.integers(0, SPAN).map(lambda offset: FIRST + timedelta(days=offset))


@st.composite
def single_charges(draw: st.DrawFn) -> list[ChargeFacts]:
    """A charge with a delay, a term or none, an end or none; perhaps some of its units end by themselves."""
    added = draw(days_of_span)
    starts = added + timedelta(days=draw(st.sampled_from([0, 0, 7, 30])))
    recorded = added
    if draw(st.integers(0, 5)) == 0:
        recorded = starts + timedelta(days=draw(st.integers(1, 70)))
    term = starts + timedelta(days=draw(st.integers(1, 120))) if draw(st.integers(0, 5)) == 0 else None
    whole = ChargeFacts(
        id=0,
        product=draw(st.sampled_from(["licence", "licence", "number", "kept", "fee", "phone"])),
        quantity=draw(st.integers(1, 6)),
        unit_price=draw(prices),
        starts_on=starts,
        start_recorded_on=recorded,
        term_ends_on=term,
        ended_on=None,
        end_recorded_on=None,
        basis=draw(st.sampled_from([Basis.TIMED, Basis.ADDED])),
        basis_on=added,
        basis_days=7,
        subject="",
        subject_label="",
        holder="",
        subscription=draw(st.sampled_from([None, None, "a"])),
    )
    parts = []
    left = whole.quantity
    while left and draw(st.booleans()):
        units = draw(st.integers(1, left))
        ends = max(added, recorded) + timedelta(days=draw(st.integers(0, 100)))
        parts.append(
            whole._replace(
                quantity=units,
                ended_on=ends,
                end_recorded_on=ends + timedelta(days=draw(st.sampled_from([0, 0, 0, 1]))),
            )
        )
        left -= units
    if left:
        parts.append(whole._replace(quantity=left))
    return parts


@st.composite
def things(draw: st.DrawFn, key: int) -> list[ChargeFacts]:
    """A number or service: charged for some stretches, which may follow each other on the very day."""
    found = []
    on = draw(days_of_span)
    price = draw(prices)
    for _ in range(draw(st.integers(1, 4))):
        ends = on + timedelta(days=draw(st.integers(0, 60)))
        is_last = draw(st.integers(0, 3)) == 0
        found.append(
            ChargeFacts(
                id=0,
                product="number",
                quantity=1,
                unit_price=price,
                starts_on=on,
                start_recorded_on=on,
                term_ends_on=None,
                ended_on=None if is_last else ends,
                end_recorded_on=None if is_last else ends,
                basis=draw(st.sampled_from([Basis.ADDITIONAL_NUMBER, Basis.PARKED_AT_ONCE])),
                basis_on=on,
                basis_days=0,
                subject=f"number:{key}",
                subject_label=f"+1212555{key:04d}",
                holder=draw(st.sampled_from(["", "Ann"])),
                subscription=None,
            )
        )
        if is_last:
            break
        on = ends + timedelta(days=draw(st.sampled_from([0, 0, 1, 9])))
    return found


@st.composite
def ledgers(draw: st.DrawFn) -> list[ChargeFacts]:
    """Some charges with ids of their own."""
    rows = [row for part in draw(st.lists(single_charges(), max_size=5)) for row in part]
    for key in range(draw(st.integers(0, 3))):
        rows += draw(things(key))
    return [row._replace(id=number) for number, row in enumerate(rows, start=1)]


bdoms = st.integers(1, 31)
decimals = st.sampled_from([0, 2, 3])


# --- running ---------------------------------------------------------------------------------


def bdoms_between(bdom: int, first: date, last: date) -> list[date]:
    """The BDOM dates, found by looking at each day."""

    def is_bdom(day: date) -> bool:
        return day.day == bdom or (day.day < bdom and (day + timedelta(days=1)).day == 1)

    span = (last - first).days + 1
    return [day for day in (first + timedelta(days=n) for n in range(span)) if is_bdom(day)]


def invoices(bdom: int, places: int, ledger: Iterable[ChargeFacts]) -> list[Draft]:
    """All invoices from the first BDOM to one long after everything happened."""
    rows = list(ledger)
    runs = bdoms_between(bdom, FIRST, FIRST + timedelta(days=AFTER))
    return [draft(AccountTerms(bdom, places), PRODUCTS, rows, on) for on in runs]


def known_before(ledger: Iterable[ChargeFacts], on: date) -> list[ChargeFacts]:
    """The ledger as it stood at the start of the day `on`."""
    known = []
    for row in ledger:
        assert row.start_recorded_on is not None
        if row.start_recorded_on >= on:
            continue
        is_ended = row.end_recorded_on is not None and row.end_recorded_on < on
        known.append(row if is_ended else row._replace(ended_on=None, end_recorded_on=None))
    return known


# --- the oracle ------------------------------------------------------------------------------


class Days:
    """The period of each day, by looking at each day of the calendar."""

    def __init__(self, bdom: int) -> None:
        first = FIRST - timedelta(days=70)
        starts = bdoms_between(bdom, first, FIRST + timedelta(days=AFTER + 140))
        self.period: dict[date, tuple[date, date]] = {}
        for start, end in pairwise(starts):
            for offset in range((end - start).days):
                self.period[start + timedelta(days=offset)] = (start, end)

    def price_of(self, day: date, monthly: Fraction) -> Fraction:
        """What the day costs: its share of the month."""
        start, end = self.period[day]
        return monthly / (end - start).days


def owed(row: ChargeFacts, days: Days, until: date) -> Fraction:
    """What the rules give for a charge when each day up to `until` is looked at by itself."""
    product = PRODUCTS[row.product]
    assert row.unit_price is not None
    assert row.starts_on is not None
    assert row.start_recorded_on is not None
    monthly = Fraction(row.unit_price) * row.quantity
    ends = min((end for end in (row.ended_on, row.term_ends_on) if end is not None), default=until)
    if not product.is_recurring:
        # It comes with the first BDOM after it happened and was known, unless it was undone by then.
        billed_on = max(row.starts_on, row.start_recorded_on + timedelta(days=1))
        while days.period[billed_on][0] != billed_on:
            billed_on += timedelta(days=1)
        undone = row.end_recorded_on is not None and row.end_recorded_on < billed_on
        return Fraction(0) if undone else monthly
    if not product.is_credited and row.ended_on is not None and row.end_recorded_on is not None:
        # What had been paid before the end was recorded stays paid.
        last_run = days.period[row.end_recorded_on][0]
        paid_to = days.period[last_run][1]
        was_paid = row.starts_on <= last_run and row.start_recorded_on < last_run
        if was_paid:
            ends = max(ends, paid_to)
        if row.term_ends_on is not None:
            ends = min(ends, row.term_ends_on)
    total = Fraction(0)
    day = row.starts_on
    while day < min(ends, until):
        total += days.price_of(day, monthly)
        day += timedelta(days=1)
    return total


# --- properties ------------------------------------------------------------------------------


@examples(150)
@given(bdoms, decimals, ledgers())
def test_what_is_invoiced_is_what_each_day_by_itself_comes_to(
    bdom: int, places: int, ledger: list[ChargeFacts]
) -> None:
    """BIL-9: charges less credits, within half a minor unit for each line."""
    issued = invoices(bdom, places, ledger)
    days = Days(bdom)
    expected = sum((owed(row, days, issued[-1].period[1]) for row in ledger), Fraction(0))
    billed = sum((Fraction(invoice.total) for invoice in issued), Fraction(0))
    count = sum(len(invoice.lines) for invoice in issued)
    assert abs(billed - expected) <= count * Fraction(minor_unit(places)) / 2


@examples(150)
@given(bdoms, ledgers())
def test_no_day_of_a_charge_is_billed_twice_or_credited_unpaid(bdom: int, ledger: list[ChargeFacts]) -> None:
    """BIL-9: after each invoice every day of a thing is paid once or not at all."""
    rows = {row.id: row for row in ledger}
    paid: Counter[tuple[object, date]] = Counter()
    once: Counter[int] = Counter()
    for invoice in invoices(bdom, 2, ledger):
        for line in invoice.lines:
            sign = -1 if line.section == Section.CREDIT else 1
            for number in line.charges:
                if line.of_days is None:
                    once[number] += 1
                for day in covered(line):
                    # A thing that goes on under another charge of the same price is one and the same (NUM-7).
                    paid[rows[number].subject or number, day] += sign
        assert set(paid.values()) <= {0, 1}
        assert set(once.values()) <= {1}


@examples(100)
@given(bdoms, ledgers())
def test_lines_are_sound(bdom: int, ledger: list[ChargeFacts]) -> None:
    """BIL-4, BIL-11: no negative days, none beyond its period, amounts that are the line's own, signs by section."""
    days = Days(bdom)
    for invoice in invoices(bdom, 2, ledger):
        assert invoice.total == invoice.subtotal == sum((line.amount for line in invoice.lines), Decimal(0))
        assert len(set(map(without_charges, invoice.lines))) == len(invoice.lines)
        for line in invoice.lines:
            assert (line.amount <= 0) if line.section == Section.CREDIT else (line.amount >= 0)
            assert line.why
            assert line.rule
            if line.of_days is None:
                assert line.starts_on == line.ends_on
                assert line.days is None
                continue
            start, end = days.period[line.starts_on]
            assert line.of_days == (end - start).days
            assert start <= line.starts_on < line.ends_on <= end
            assert line.days == (line.ends_on - line.starts_on).days
            assert line.ends_on <= invoice.period[1]


@examples(100)
@given(bdoms, ledgers(), st.randoms(use_true_random=False))
def test_the_order_of_the_ledger_does_not_matter(
    bdom: int, ledger: list[ChargeFacts], random: Random
) -> None:
    """BIL-10: a database may answer in any order; line for line the invoices are the same."""
    shuffled = sorted(ledger, key=lambda _: random.random())
    assert invoices(bdom, 2, shuffled) == invoices(bdom, 2, ledger)


@examples(100)
@given(bdoms, ledgers())
def test_a_late_run_draws_what_a_run_in_time_would_have(bdom: int, ledger: list[ChargeFacts]) -> None:
    """BIL-8: what was recorded on the BDOM or later does not change its invoice."""
    for late in invoices(bdom, 2, ledger):
        in_time = draft(AccountTerms(bdom, 2), PRODUCTS, known_before(ledger, late.on), late.on)
        assert list(map(without_charges, in_time.lines)) == list(map(without_charges, late.lines))
        assert in_time.total == late.total


@examples(60)
@given(bdoms, ledgers(), days_of_span)
def test_charges_that_were_over_before_do_no_harm(bdom: int, ledger: list[ChargeFacts], on: date) -> None:
    """The run leaves out what was known to be over before the BDOM before; with or without, the invoice is the same."""
    run = bdoms_between(bdom, on, on + timedelta(days=40))[0]
    before = bdoms_between(bdom, run - timedelta(days=40), run - timedelta(days=1))[-1]
    needed = [
        row
        for row in ledger
        if row.ended_on is None
        or row.end_recorded_on is None
        or row.ended_on > before
        or row.end_recorded_on >= before
    ]
    terms = AccountTerms(bdom, 2)
    assert draft(terms, PRODUCTS, needed, run) == draft(terms, PRODUCTS, ledger, run)


@examples(60)
@given(bdoms, ledgers(), days_of_span)
def test_drawing_again_gives_the_same(bdom: int, ledger: list[ChargeFacts], on: date) -> None:
    """BIL-10: a draft depends on what it is given, and on nothing else."""
    run = bdoms_between(bdom, on, on + timedelta(days=40))[0]
    terms = AccountTerms(bdom, 3)
    first = draft(terms, PRODUCTS, ledger, run)
    assert draft(terms, PRODUCTS, iter(ledger), run) == first


@examples(60)
@given(bdoms, ledgers(), days_of_span, st.integers(1, 5))
def test_units_that_are_parted_are_billed_as_before(
    bdom: int, ledger: list[ChargeFacts], on: date, units: int
) -> None:
    """NUM-7: parting some units of a charge, to end them later, changes no invoice by itself."""
    run = bdoms_between(bdom, on, on + timedelta(days=40))[0]
    parted: list[ChargeFacts] = []
    for row in ledger:
        if row.quantity > units:
            parted += [
                row._replace(quantity=units),
                row._replace(id=1000 + row.id, quantity=row.quantity - units),
            ]
        else:
            parted.append(row)
    terms = AccountTerms(bdom, 2)
    whole, split = draft(terms, PRODUCTS, ledger, run), draft(terms, PRODUCTS, parted, run)
    assert list(map(without_charges, whole.lines)) == list(map(without_charges, split.lines))


@examples(60)
@given(
    bdoms, decimals, days_of_span, st.integers(1, 5), prices, prices, st.integers(0, 3), st.integers(0, 60)
)
def test_a_new_price_holds_from_its_bdom_whenever_it_was_recorded(
    bdom: int, places: int, starts: date, quantity: int, old: Decimal, new: Decimal, months: int, early: int
) -> None:
    """BIL-6: before the BDOM each day costs the old price, from it on the new one."""
    changes = bdoms_between(bdom, starts + timedelta(days=1), starts + timedelta(days=200))[months]
    recorded = max(starts, changes - timedelta(days=1 + early))
    row = ChargeFacts(
        1, "licence", quantity, old, starts, starts, None, changes, recorded,
        Basis.ADDED, starts, 0, "", "", "", None,
    )  # fmt: skip
    after = row._replace(
        id=2, unit_price=new, starts_on=changes, start_recorded_on=recorded,
        ended_on=None, end_recorded_on=None, basis=Basis.REPRICED, basis_on=changes,
    )  # fmt: skip
    issued = invoices(bdom, places, [row, after])
    days = Days(bdom)
    until = issued[-1].period[1]
    billed: dict[bool, Fraction] = defaultdict(Fraction)
    for line in (line for invoice in issued for line in invoice.lines):
        assert line.section != Section.CREDIT
        billed[line.starts_on >= changes] += Fraction(line.amount)
    for is_after, part in ((False, row), (True, after)):
        count = sum(len(invoice.lines) for invoice in issued)
        assert abs(billed[is_after] - owed(part, days, until)) <= count * Fraction(minor_unit(places)) / 2


def covered(line: Line) -> Sequence[date]:
    """The days of a recurring line or its credit."""
    return [line.starts_on + timedelta(days=n) for n in range(line.days or 0)]


def without_charges(line: Line) -> Line:
    """The line, but for the ids of the ledger's rows: units that were parted later have ids of their own."""
    return line._replace(charges=())
