"""The rules of section 9 as tables: a ledger on the left, the lines of an invoice, worked out by hand, on the right.

Dates are of 2026 unless they say their year; the BDOM is the 15th unless it is given.
Periods: Dec 15 to Jan 15 has 31 days, Jan 15 to Feb 15 has 31, Feb 15 to Mar 15 has 28, Mar 15 to Apr 15 has 31.
"""

from decimal import Decimal

import pytest

from billing.engine import BillingFault, ChargeFacts, Line, Section
from billing.engine.reasons import Basis
from tests.billing.engine_facts import charge, day, drawn, lines, told


def test_a_seven_day_delay_within_a_period() -> None:
    """BIL-3, BIL-4, BIL-11: the partial month and the month ahead are two lines."""
    bought = charge(5, "29.99", "01-17", recorded="01-10", basis=Basis.TIMED, basis_days=7, basis_on="01-10")
    assert lines([bought], "01-15") == []
    assert lines([bought], "02-15") == [
        "recurring 5 × 29.99 · 01-17 to 02-15 · 29/31 · 140.28 · 7-day delay from 2026-01-10",
        "recurring 5 × 29.99 · 02-15 to 03-15 · 28/28 · 149.95 · month ahead",
    ]
    assert lines([bought], "03-15") == ["recurring 5 × 29.99 · 03-15 to 04-15 · 31/31 · 149.95 · month ahead"]


@pytest.mark.parametrize(
    ("starts", "partial"),
    [
        ("2026-01-14", "recurring 1 × 31.00 · 01-14 to 01-15 · 1/31 · 1.00 · no delay, added 2026-01-14"),
        ("2025-12-16", "recurring 1 × 31.00 · 12-16 to 01-15 · 30/31 · 30.00 · no delay, added 2025-12-16"),
    ],
)
def test_a_beginning_on_the_last_and_on_the_second_day(starts: str, partial: str) -> None:
    """BIL-4, over the end of a year."""
    ahead = "recurring 1 × 31.00 · 01-15 to 02-15 · 31/31 · 31.00 · month ahead"
    assert lines([charge(1, "31.00", starts)], "01-15") == [partial, ahead]


def test_a_delay_that_ends_on_the_bdom_itself_is_billed_ahead_at_once() -> None:
    """BIL-3, BIL-4: there is no partial month."""
    bought = charge(1, "30", "01-15", recorded="01-08")
    assert lines([bought], "01-15") == ["recurring 1 × 30 · 01-15 to 02-15 · 31/31 · 30.00 · month ahead"]


def test_what_is_recorded_on_the_bdom_is_on_the_next_invoice() -> None:
    """BIL-7."""
    bought = charge(1, "31", "01-15")
    assert lines([bought], "01-15") == []
    assert lines([bought], "02-15") == [
        "recurring 1 × 31 · 01-15 to 02-15 · 31/31 · 31.00 · no delay, added 2026-01-15",
        "recurring 1 × 31 · 02-15 to 03-15 · 28/28 · 31.00 · month ahead",
    ]


def test_a_delay_over_a_bdom_waits_for_the_next() -> None:
    """BIL-3: bought on Jan 10, its days begin on Jan 17; the invoice of Jan 15 knows that and has nothing."""
    bought = charge(1, "31", "01-17", recorded="01-10")
    assert lines([bought], "01-15") == []
    assert [line.split(" · ")[1] for line in lines([bought], "02-15")] == ["01-17 to 02-15", "02-15 to 03-15"]


def test_first_days_that_span_three_periods_have_a_line_for_each() -> None:
    """BIL-4: what began on Jan 10 and was recorded on Mar 1."""
    late = charge(2, "31.00", "01-10", recorded="03-01", basis=Basis.CONDITION)
    assert lines([late], "02-15") == []
    assert lines([late], "03-15") == [
        "recurring 2 × 31.00 · 01-10 to 01-15 · 5/31 · 10.00 · activated 2026-01-10",
        "recurring 2 × 31.00 · 01-15 to 02-15 · 31/31 · 62.00 · activated 2026-01-10",
        "recurring 2 × 31.00 · 02-15 to 03-15 · 28/28 · 62.00 · activated 2026-01-10",
        "recurring 2 × 31.00 · 03-15 to 04-15 · 31/31 · 62.00 · month ahead",
    ]
    assert len(lines([late], "04-15")) == 1


def test_an_end_within_a_paid_period_is_credited_from_that_day() -> None:
    """BIL-5: Jan 25 is no longer billed; 21 of 31 days are left."""
    ended = charge(3, "10.00", "2025-12-15", "01-25", recorded="2025-12-01")
    assert lines([ended], "02-15") == [
        "credit 3 × 10.00 · 01-25 to 02-15 · 21/31 · -20.32 · ended 2026-01-25, paid ahead"
    ]
    assert lines([ended], "03-15") == []


def test_an_end_on_the_bdom_gives_the_month_back_on_the_next_invoice() -> None:
    """BIL-5, BIL-7: the run of that day had billed the month before the end was recorded."""
    ended = charge(1, "10.00", "2025-12-20", "01-15")
    assert lines([ended], "01-15")[-1] == "recurring 1 × 10.00 · 01-15 to 02-15 · 31/31 · 10.00 · month ahead"
    assert lines([ended], "02-15") == [
        "credit 1 × 10.00 · 01-15 to 02-15 · 31/31 · -10.00 · ended 2026-01-15, paid ahead"
    ]


def test_an_end_recorded_after_the_run_of_the_day_after_it_is_credited_in_both_periods() -> None:
    """BIL-5, BIL-7: a request of 23:59 on Jan 14 that was slow; the run of Jan 15 did not see it."""
    ended = charge(1, "31.00", "2025-12-15", "01-14", recorded="2025-12-01", end_recorded="01-15")
    assert lines([ended], "01-15") == ["recurring 1 × 31.00 · 01-15 to 02-15 · 31/31 · 31.00 · month ahead"]
    assert lines([ended], "02-15") == [
        "credit 1 × 31.00 · 01-14 to 01-15 · 1/31 · -1.00 · ended 2026-01-14, paid ahead",
        "credit 1 × 31.00 · 01-15 to 02-15 · 31/31 · -31.00 · ended 2026-01-14, paid ahead",
    ]


def test_an_end_before_the_first_invoice_is_billed_for_its_days() -> None:
    """BIL-5: begun on Jan 20, over on Jan 25: five days, no month ahead, no credit."""
    brief = charge(2, "31.00", "01-20", "01-25")
    assert lines([brief], "02-15") == [
        "recurring 2 × 31.00 · 01-20 to 01-25 · 5/31 · 10.00 · no delay, added 2026-01-20"
    ]
    assert lines([brief], "03-15") == []


@pytest.mark.parametrize("ends", ["01-12", "01-17"])
def test_an_end_before_the_billing_began_never_appears(ends: str) -> None:
    """BIL-5: given back within its delay, or on the very day on which the delay ends."""
    given_back = charge(5, "29.99", "01-17", ends, recorded="01-10")
    for bdom in ("01-15", "02-15", "03-15"):
        assert lines([given_back], bdom) == []


def test_an_end_on_the_day_of_the_beginning_never_appears() -> None:
    """BIL-5: the day on which a charge ends is not billed, so there is none."""
    assert lines([charge(1, "10", "01-20", "01-20")], "02-15") == []


def test_a_product_without_credit_keeps_what_was_paid_and_stops() -> None:
    """BIL-5: products may say so; what ends before it was billed is still billed for its days alone."""
    paid = charge(1, "31.00", "2025-12-20", "01-25", product="kept")
    assert lines([paid], "02-15") == []
    assert lines([paid], "03-15") == []
    brief = charge(1, "31.00", "01-20", "01-25", product="kept")
    assert lines([brief], "02-15") == [
        "recurring 1 × 31.00 · 01-20 to 01-25 · 5/31 · 5.00 · no delay, added 2026-01-20"
    ]


def test_what_waits_for_a_condition_is_not_billed() -> None:
    """BIL-3."""
    assert lines([charge(2, "79", None)], "02-15") == []


def test_one_time_charges_come_once_and_in_their_sections() -> None:
    """BIL-2, INV-2: recurring, one-time, hardware, credits."""
    ledger = [
        charge(1, "149", "01-20", product="phone", basis=Basis.SHIPPED, key=1),
        charge(2, "50", "01-21", product="fee", basis=Basis.CONDITION, key=2),
        charge(1, "28", "2025-12-20", "02-14", key=3),
        charge(1, "28", "02-14", key=4),
    ]
    assert lines(ledger, "02-15") == [
        "recurring 1 × 28 · 02-14 to 02-15 · 1/31 · 0.90 · no delay, added 2026-02-14",
        "recurring 1 × 28 · 02-15 to 03-15 · 28/28 · 28.00 · month ahead",
        "one-time 2 × 50 · 01-21 · 100.00 · activated 2026-01-21",
        "hardware 1 × 149 · 01-20 · 149.00 · shipped 2026-01-20",
        "credit 1 × 28 · 02-14 to 02-15 · 1/31 · -0.90 · ended 2026-02-14, paid ahead",
    ]
    assert lines(ledger, "03-15") == ["recurring 1 × 28 · 03-15 to 04-15 · 31/31 · 28.00 · month ahead"]


def test_a_one_time_charge_recorded_on_the_bdom_is_on_the_next_invoice() -> None:
    """BIL-7: as a shipment on the BDOM."""
    shipped = charge(1, "149", "01-15", product="phone", basis=Basis.SHIPPED)
    assert lines([shipped], "01-15") == []
    assert lines([shipped], "02-15") == ["hardware 1 × 149 · 01-15 · 149.00 · shipped 2026-01-15"]
    assert lines([shipped], "03-15") == []


def test_the_month_ahead_of_what_has_a_known_end_stops_there() -> None:
    """BIL-2: a term that ends on Mar 1."""
    agreed = charge(1, "28.00", "01-20", term="03-01", basis=Basis.TERM)
    assert lines([agreed], "02-15") == [
        "recurring 1 × 28.00 · 01-20 to 02-15 · 26/31 · 23.48 · subscription from 2026-01-20",
        "recurring 1 × 28.00 · 02-15 to 03-01 · 14/28 · 14.00 · month ahead, ends 2026-03-01",
    ]
    assert lines([agreed], "03-15") == []


def test_an_earlier_end_than_the_agreed_one_is_credited_up_to_the_agreed_one() -> None:
    """BIL-5."""
    agreed = charge(1, "28.00", "2025-12-15", "02-20", recorded="2025-12-01", term="03-01")
    assert lines([agreed], "02-15")[-1].startswith("recurring 1 × 28.00 · 02-15 to 03-01")
    assert lines([agreed], "03-15") == [
        "credit 1 × 28.00 · 02-20 to 03-01 · 9/28 · -9.00 · ended 2026-02-20, paid ahead"
    ]


@pytest.mark.parametrize(
    ("bdom", "on", "starts", "expected"),
    [
        (31, "02-28", "02-14", ["02-14 to 02-28 · 14/28 · 14.00", "02-28 to 03-31 · 31/31 · 28.00"]),
        (31, "03-31", "03-29", ["03-29 to 03-31 · 2/31 · 1.81", "03-31 to 04-30 · 30/30 · 28.00"]),
        (29, "2028-02-29", "2028-02-28", ["02-28 to 02-29 · 1/31 · 0.90", "02-29 to 03-29 · 29/29 · 28.00"]),
        (30, "02-28", "01-30", ["01-30 to 02-28 · 29/29 · 28.00", "02-28 to 03-30 · 30/30 · 28.00"]),
        (1, "01-01", "2025-12-31", ["12-31 to 01-01 · 1/31 · 0.90", "01-01 to 02-01 · 31/31 · 28.00"]),
    ],
)
def test_short_months_leap_years_and_year_ends(bdom: int, on: str, starts: str, expected: list[str]) -> None:
    """BIL-1, BIL-4."""
    found = lines([charge(1, "28.00", starts)], on, bdom=bdom)
    assert [" · ".join(line.split(" · ")[1:4]) for line in found] == expected


def test_lines_merge_only_where_all_is_the_same() -> None:
    """BIL-4: two purchases of one day are one line, rounded once on the sum; another day or price is its own."""
    same = [charge(1, "10.01", "01-20", key=1), charge(2, "10.01", "01-20", key=2)]
    other = [charge(1, "10.01", "01-21", key=3), charge(1, "10.02", "01-20", key=4)]
    found = drawn(same + other, "02-15").lines
    assert [told(line) for line in found] == [
        "recurring 3 × 10.01 · 01-20 to 02-15 · 26/31 · 25.19 · no delay, added 2026-01-20",
        "recurring 1 × 10.02 · 01-20 to 02-15 · 26/31 · 8.40 · no delay, added 2026-01-20",
        "recurring 1 × 10.01 · 01-21 to 02-15 · 25/31 · 8.07 · no delay, added 2026-01-21",
        "recurring 4 × 10.01 · 02-15 to 03-15 · 28/28 · 40.04 · month ahead",
        "recurring 1 × 10.02 · 02-15 to 03-15 · 28/28 · 10.02 · month ahead",
    ]
    assert [line.charges for line in found] == [(1, 2), (4,), (3,), (1, 2, 3), (4,)]


def test_subscriptions_and_subjects_have_lines_of_their_own() -> None:
    """BIL-11."""
    ledger = [
        charge(1, "10", "01-20", key=1, subscription="a"),
        charge(1, "10", "01-20", key=2, subscription="b"),
        charge(1, "10", "01-20", key=3, subject="number:1"),
        charge(1, "10", "01-20", key=4, subject="number:2"),
    ]
    partial = [line for line in drawn(ledger, "02-15").lines if line.days == 26]
    assert {(line.subscription, line.subject, line.charges) for line in partial} == {
        ("a", "", (1,)),
        ("b", "", (2,)),
        (None, "number:1", (3,)),
        (None, "number:2", (4,)),
    }


def test_what_ends_and_begins_again_on_one_day_continues() -> None:
    """NUM-7: the same thing, product and price: neither credited nor charged again."""
    ledger = [
        charge(1, "2.50", "2025-12-15", "01-25", recorded="2025-12-01", subject="number:1", key=1),
        charge(1, "2.50", "01-25", subject="number:1", key=2),
    ]
    assert lines(ledger, "02-15") == ["recurring 1 × 2.50 · 02-15 to 03-15 · 28/28 · 2.50 · month ahead"]


@pytest.mark.parametrize(
    "again",
    [
        charge(1, "2.50", "01-26", subject="number:1", key=2),  # a day later
        charge(1, "2.60", "01-25", subject="number:1", key=2),  # at another price
        charge(1, "2.50", "01-25", subject="number:2", key=2),  # another number
        charge(1, "2.50", "01-25", subject="number:1", product="number", key=2),  # another product
    ],
)
def test_what_differs_is_credited_and_charged(again: ChargeFacts) -> None:
    """NUM-7 speaks of product and price as they were, and of one and the same thing."""
    before = charge(1, "2.50", "2025-12-15", "01-25", recorded="2025-12-01", subject="number:1", key=1)
    found = drawn([before, again], "02-15").lines
    assert [line.section for line in found] == [Section.RECURRING, Section.RECURRING, Section.CREDIT]


def test_things_without_a_subject_are_credited_and_charged() -> None:
    """Licences given back and bought again have a new delay: they are another purchase."""
    ledger = [
        charge(1, "10", "2025-12-15", "01-25", recorded="2025-12-01", key=1),
        charge(1, "10", "01-25", key=2),
    ]
    assert [line.section for line in drawn(ledger, "02-15").lines] == ["recurring", "recurring", "credit"]


@pytest.mark.parametrize(
    ("decimals", "price", "amounts"),
    [
        (0, "1500", ["1258", "1500"]),  # JPY: 26 of 31 days are 1258.06…
        (2, "29.99", ["25.15", "29.99"]),
        (3, "9.250", ["7.758", "9.250"]),  # KWD
        (2, "0.00125", ["0.00", "0.00"]),  # a unit price may have more decimals than the currency
    ],
)
def test_currencies_have_their_own_decimals(decimals: int, price: str, amounts: list[str]) -> None:
    """BIL-4, BIL-12."""
    draft = drawn([charge(1, price, "01-20")], "02-15", decimals=decimals)
    assert [str(line.amount) for line in draft.lines] == amounts
    assert draft.subtotal == draft.total == sum(Decimal(amount) for amount in amounts)


def test_an_empty_invoice_has_amounts_of_its_currency() -> None:
    draft = drawn([], "01-15", decimals=3)
    assert (draft.lines, str(draft.subtotal), str(draft.tax), str(draft.total)) == (
        (),
        "0.000",
        "0.000",
        "0.000",
    )
    assert draft.period == (day("01-15"), day("02-15"))


def test_a_reason_says_the_rule_it_follows() -> None:
    """BIL-11."""
    ledger = [
        charge(1, "10", "01-20", basis=Basis.ADDITIONAL_NUMBER, key=1),
        charge(1, "10", "2025-12-15", "01-25", recorded="2025-12-01", key=2),
    ]
    reasons: dict[str, Line] = {line.rule: line for line in drawn(ledger, "02-15").lines}
    assert {rule: line.why for rule, line in reasons.items()} == {
        "NUM-3": "additional number from 2026-01-20",
        "BIL-2": "month ahead",
        "BIL-5": "ended 2026-01-25, paid ahead",
    }


@pytest.mark.parametrize("basis", list(Basis))
def test_every_basis_has_a_sentence_and_a_rule(basis: Basis) -> None:
    """BIL-11: whatever makes a charge begin can say so."""
    partial = drawn([charge(1, "10", "01-20", basis=basis, basis_days=7)], "02-15").lines[0]
    assert "2026-01-20" in partial.why
    assert partial.rule[:4] in {"BIL-", "NUM-"}


def test_faults_name_the_charge_and_what_is_missing() -> None:
    """An unknown product or a missing price stops the invoice; it is never billed at nothing."""
    with pytest.raises(BillingFault, match="charge 7: no price is set for “licence”"):
        drawn([charge(1, None, "01-20", key=7)], "02-15")
    with pytest.raises(BillingFault, match="charge 8: product “gone” is not known"):
        drawn([charge(1, "1", "01-20", product="gone", key=8)], "02-15")


def test_a_total_beyond_measure_is_a_fault() -> None:
    """It could not be written; so the account is set aside like any other that cannot be billed."""
    assert (
        drawn([charge(10_000, "9999999999", "01-15", recorded="01-01")], "01-15").total == 99_999_999_990_000
    )
    with pytest.raises(BillingFault, match="more than an invoice can hold"):
        drawn([charge(10_001, "9999999999", "01-15", recorded="01-01")], "01-15")


def test_a_fault_that_is_not_due_yet_stops_nothing() -> None:
    """What is not billed yet may still get its price."""
    assert lines([charge(1, None, None), charge(1, None, "02-15")], "02-15") == []


def test_an_invoice_is_drawn_for_a_bdom_alone() -> None:
    with pytest.raises(ValueError, match="is not a BDOM of day 15"):
        drawn([], "01-16")
