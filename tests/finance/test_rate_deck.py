"""Files of the international rate deck (USE-2): every row is judged, and all go in or none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from accounts.exporting import csv_lines
from accounts.models import AuditEntry
from accounts.refusals import Refused
from billing.models import PrefixRate
from billing.rate_deck import (
    COLUMNS,
    Deck,
    Kind,
    deck_rows,
    import_deck,
    judge_deck,
    rates_of_deck,
    verdict_rows,
)
from billing.rating import RateBook
from tests.factories import AT, TESTS, BrandFactory

pytestmark = pytest.mark.django_db

HEADER = "prefix,destination,per_unit,currency,effective_on,ends_on,brand"
UK = "+44,United Kingdom,0.019,USD,2026-03-05,,"


def a_file(*rows: str, header: str = HEADER) -> list[bytes]:
    """The lines of a file."""
    return [f"{line}\n".encode() for line in (header, *rows)]


def judged(*rows: str) -> Deck:
    return judge_deck(a_file(*rows), AT)


def imported(lines: Iterable[bytes]) -> Deck:
    return import_deck(lines, name="deck.csv", actor=TESTS, at=AT)


class TestImport:
    """All or none."""

    def test_rows_become_rates_and_one_entry_of_the_trail(self) -> None:
        brand = BrandFactory(slug="globe")
        deck = imported(a_file(UK, "+1876,Jamaica,0.18,EUR,2026-04-01,2026-06-01,globe"))
        assert deck.counts == {Kind.NEW: 2}
        jamaica = PrefixRate.objects.get(prefix="+1876")
        assert (jamaica.brand, jamaica.per_unit.amount, str(jamaica.per_unit.currency)) == (
            brand,
            Decimal("0.18"),
            "EUR",
        )
        assert (jamaica.effective_on, jamaica.ends_on) == (date(2026, 4, 1), date(2026, 6, 1))
        entry = AuditEntry.objects.get(action="import-rate-deck")
        assert entry.account is None
        assert entry.summary == "Rate deck deck.csv: 2 rates added, 0 ended, 0 known already"

    def test_the_same_file_twice_is_no_change(self) -> None:
        imported(a_file(UK))
        assert imported(a_file(UK)).counts == {Kind.SAME: 1}
        assert PrefixRate.objects.count() == 1
        assert AuditEntry.objects.filter(action="import-rate-deck").count() == 1

    def test_one_refused_row_keeps_all_out(self) -> None:
        with pytest.raises(Refused, match="1 row is refused"):
            imported(a_file(UK, "+49,Germany,free,USD,2026-03-05,,"))
        assert not PrefixRate.objects.exists()

    def test_a_change_is_a_new_row_and_rates_calls_from_its_day(self) -> None:
        imported(a_file(UK, "+44,United Kingdom,0.03,USD,2026-04-01,,"))
        book = RateBook(BrandFactory().pk, "USD")
        assert book.reach("+442071234567", date(2026, 3, 31)) == ("+44", Decimal("0.019"))
        assert book.reach("+442071234567", date(2026, 4, 1)) == ("+44", Decimal("0.03"))

    def test_a_rate_is_given_an_end_to_come(self) -> None:
        imported(a_file(UK))
        ends = UK.replace("2026-03-05,,", "2026-03-05,2026-05-01,")
        assert imported(a_file(ends)).counts == {Kind.ENDS: 1}
        assert PrefixRate.objects.get().ends_on == date(2026, 5, 1)
        assert imported(a_file(ends)).counts == {Kind.SAME: 1}
        assert judged(UK.replace("2026-03-05,,", "2026-03-05,2026-06-01,")).refused == 1

    def test_what_was_exported_goes_in_as_no_change(self) -> None:
        imported(
            a_file(
                UK, "+1876,=cmd,0.18,EUR,2026-04-01,2026-06-01,", "44,Leading zeros aside,25,EUR,2026-04-01,,"
            )
        )
        lines = "".join(csv_lines(list(COLUMNS), deck_rows(PrefixRate.objects.all()))).splitlines(
            keepends=True
        )
        assert imported([line.encode() for line in lines]).counts == {Kind.SAME: 3}

    def test_columns_come_in_any_order_and_some_may_be_missing(self) -> None:
        lines = a_file("USD;2026-03-05;0.019;44", header="Currency;effective_on;per_unit;prefix")
        assert imported(lines).counts == {Kind.NEW: 1}
        assert PrefixRate.objects.get().prefix == "+44"

    def test_a_byte_order_mark_and_empty_lines_do_no_harm(self) -> None:
        first, *rest = a_file("", UK, ",,,,,,")
        assert imported([b"\xef\xbb\xbf" + first, *rest]).counts == {Kind.NEW: 1}


class TestRows:
    """A row that cannot be is named by its line, its field and the reason."""

    @pytest.mark.parametrize(
        ("row", "field"),
        [
            ("+0044,UK,0.019,USD,2026-03-05,,", "prefix"),
            ("+44x,UK,0.019,USD,2026-03-05,,", "prefix"),
            ("+" + "4" * 16 + ",UK,0.019,USD,2026-03-05,,", "prefix"),
            ("+44," + "x" * 81 + ",0.019,USD,2026-03-05,,", "destination"),
            ("+44,UK,cheap,USD,2026-03-05,,", "per_unit"),
            ('+44,UK,"0,019",USD,2026-03-05,,', "per_unit"),
            ("+44,UK,-1,USD,2026-03-05,,", "per_unit"),
            ("+44,UK,NaN,USD,2026-03-05,,", "per_unit"),
            ("+44,UK,0.019,GBP,2026-03-05,,", "currency"),
            ("+44,UK,0.019,USD,05.03.2026,,", "effective_on"),
            ("+44,UK,0.019,USD,2026-02-30,,", "effective_on"),
            ("+44,UK,0.019,USD,0206-03-05,,", "effective_on"),
            ("+44,UK,0.019,USD,2026-03-05,2026-03-05,", "ends_on"),
            ("+44,UK,0.019,USD,2026-03-05,,nobody", "brand"),
            ("+44,UK,0.019", ""),
        ],
    )
    def test_it_is_refused(self, row: str, field: str) -> None:
        deck = judged(UK, row)
        good, bad = deck.verdicts
        assert good.kind == Kind.NEW
        assert (bad.line, bad.kind, bad.field) == (3, Kind.REFUSED, field)
        assert bad.reason

    def test_a_rate_is_never_overwritten_by_the_file_or_within_it(self) -> None:
        dearer = UK.replace("0.019", "0.02")
        assert [each.kind for each in judged(UK, UK, dearer).verdicts] == [Kind.NEW, Kind.SAME, Kind.REFUSED]
        imported(a_file(UK))
        refused = judged(dearer).verdicts[0]
        assert (refused.kind, refused.field) == (Kind.REFUSED, "per_unit")
        assert "at 0.019 in the deck" in refused.reason

    def test_an_end_that_is_over_is_refused(self) -> None:
        imported(a_file(UK.replace("2026-03-05", "2026-02-01")))
        assert judged(UK.replace("2026-03-05,,", "2026-02-01,2026-03-02,")).verdicts[0].field == "ends_on"

    def test_the_rows_with_their_reasons_are_a_file(self) -> None:
        deck = judged(UK, "+49,Germany")
        rows = list(
            csv.reader(io.StringIO("".join(csv_lines(deck.header, verdict_rows(deck, Kind.REFUSED)))))
        )
        assert rows[1][:2] == ["+49", "Germany"]
        assert rows[1][7:10] == ["3", "refused", ""]
        assert rows[1][10].startswith("The line has 2 columns")


class TestFiles:
    """A file that cannot be read at all says where."""

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ([], "empty"),
            (a_file(), "no rows"),
            (a_file(UK, header="prefix,per_unit,currency"), "no column effective_on"),
            (a_file(UK, header=HEADER.replace("brand", "colour")), "colour"),
            (a_file(UK, header=HEADER.replace("brand", "prefix")), "twice"),
            (
                [*a_file(UK), "+49,Österreich,0.1,USD,2026-03-05,,\n".encode("latin-1")],
                "Line 3 is not in UTF-8",
            ),
            ([*a_file(UK), b'+49,"Germany,0.1,USD'], "half of it"),
            ([*a_file(UK), b"+49,\x00,0.1,USD,2026-03-05,,\n"], "Line 3 holds a NUL"),
        ],
        ids=["empty", "no-rows", "missing", "unknown", "twice", "encoding", "half", "nul"],
    )
    def test_it_is_refused_whole(self, lines: list[bytes], words: str) -> None:
        with pytest.raises(Refused, match=words) as refused:
            imported(lines)
        assert refused.value.field == "file"


class TestSearch:
    """By prefix, number in full, or destination."""

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({"search": "+44"}, ["+44", "+447"]),
            ({"search": "44 7700 900123"}, ["+44", "+447"]),
            ({"search": "mobile"}, ["+447"]),
            ({"search": "nowhere"}, []),
            ({"search": "\0"}, ["+1876", "+44", "+447"]),
            ({"currency": "EUR"}, ["+1876"]),
            ({"brand": "globe"}, ["+1876"]),
            ({"brand": "-"}, ["+44", "+447"]),
            ({"on": date(2026, 3, 5)}, ["+44"]),
            ({"on": date(2026, 6, 1)}, ["+44", "+447"]),
        ],
        ids=str,
    )
    def test_it_finds(self, asked: dict[str, Any], found: list[str]) -> None:
        BrandFactory(slug="globe")
        imported(
            a_file(
                UK,
                "+447,UK mobile,0.04,USD,2026-04-01,,",
                "+1876,Jamaica,0.18,EUR,2026-04-01,2026-06-01,globe",
            )
        )
        assert list(rates_of_deck(**asked).values_list("prefix", flat=True)) == found

    def test_on_a_day_only_the_latest_of_a_prefix_holds(self) -> None:
        imported(a_file(UK, "+44,United Kingdom,0.03,USD,2026-04-01,2026-05-01,"))

        def amounts(on: date) -> list[Decimal]:
            return [rate.per_unit.amount for rate in rates_of_deck(on=on)]

        assert amounts(date(2026, 3, 31)) == [Decimal("0.019")]
        assert amounts(date(2026, 4, 1)) == [Decimal("0.03")]
        assert amounts(date(2026, 5, 1)) == [Decimal("0.019")]
