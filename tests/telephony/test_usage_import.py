"""Files of call records and other usage: what is taken of them, what is refused, and that nothing counts twice."""

from __future__ import annotations

import fcntl
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Account
from billing.models import BillingSchedule, MeterRate, Subscription, Tenancy, UsageImport, UsageRecord
from telephony import usage_import
from telephony.usage_files import COLUMNS, SAMPLE, read_batches, read_header
from telephony.usage_import import receive_file, run_import
from tests import factories
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought

UPLOAD = UsageImport.Source.UPLOAD
CALLS = "id,at,account,from,to,seconds,direction"


@pytest.fixture(autouse=True)
def _numbers(account: Account) -> None:
    bought(account, "+12125550100")
    bought(account, "+18005550123")


def imported(text: str | bytes) -> UsageImport:
    content = text if isinstance(text, bytes) else text.encode()
    found = receive_file("calls.csv", BytesIO(content), source=UPLOAD, actor=TESTS, at=AT)
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


GOOD = "a,2026-03-01T10:00:00-05:00,northwind,+12125550100,+12125550199,61,outbound"


def test_the_same_record_counts_once_across_files_and_lines() -> None:
    """USE-1: the same file again, one that overlaps, and an id twice in one file."""
    file = f"{CALLS}\n{GOOD}\n{GOOD.replace('a,', 'b,', 1)}\n{GOOD}\n"
    first, again = imported(file), imported(file)
    overlapping = imported(f"{file}{GOOD.replace('a,', 'c,', 1)}\n")
    assert [(one.taken, one.known) for one in (first, again, overlapping)] == [(2, 1), (0, 3), (1, 3)]
    assert sorted(UsageRecord.objects.values_list("record_id", flat=True)) == ["a", "b", "c"]


def test_the_trail_tells_of_an_import_once_and_not_where_nothing_was_new(account: Account) -> None:
    """ACC-5: an account hears of what was taken for it."""
    imported(f"{CALLS}\n{GOOD}\n")
    assert account.audit_entries.filter(action="record-usage").count() == 1
    stamp = BillingSchedule.objects.get(account=account).stamp
    imported(f"{CALLS}\n{GOOD}\n")
    assert account.audit_entries.filter(action="record-usage").count() == 1
    assert BillingSchedule.objects.get(account=account).stamp == stamp


ALL = "id,at,account,from,to,seconds,direction,meter,quantity,subscription,subject,currency"
AT_TEN = "2026-03-01T10:00:00-05:00"
OUT = "+12125550100,+12125550199"

# line -> the column it is refused for, and words of the reason
BAD = {
    f",{AT_TEN},northwind,{OUT},61,,,,,,": ("id", "an id of its own"),
    f"{'x' * 65},{AT_TEN},northwind,{OUT},61,,,,,,": ("id", "at most 64"),
    f"x,yesterday,northwind,{OUT},61,,,,,,": ("at", "is no time"),
    f"x,2026-03-01T10:00:00,northwind,{OUT},61,,,,,,": ("at", "no offset"),
    f"x,2027-03-01T10:00:00Z,northwind,{OUT},61,,,,,,": ("at", "lies in the future"),
    f"x,9999-12-31T23:59:59-12:00,northwind,{OUT},61,,,,,,": ("at", "not of these years"),
    f"x,2026-02-01T10:00:00Z,northwind,{OUT},61,,,,,,": ("at", "was not open yet"),
    f"x,{AT_TEN},northwind,+12125550177,+12125550199,61,outbound,,,,,": ("account", "“other”"),
    f"x,{AT_TEN},nobody,{OUT},61,,,,,,": ("account", "no account “nobody”"),
    f"x,{AT_TEN},played,{OUT},61,,,,,,": ("account", "no account “played”"),
    f"x,{AT_TEN},,+13105550188,+13105550189,61,,,,,,": ("account", "No account is named"),
    f"x,{AT_TEN},,+12125550100,+12125550177,61,,,,,,": ("account", "Both numbers belong to accounts"),
    f"x,{AT_TEN},northwind,{OUT},-5,,,,,,": ("seconds", "below zero"),
    f"x,{AT_TEN},northwind,{OUT},1.5,,,,,,": ("seconds", "not a whole number"),
    f"x,{AT_TEN},northwind,{OUT},١٢,,,,,,": ("seconds", "not a whole number"),
    f"x,{AT_TEN},northwind,{OUT},,,,,,,": ("seconds", "missing"),
    f"x,{AT_TEN},northwind,{OUT},604801,,,,,,": ("seconds", "more than 604,800"),
    f"x,{AT_TEN},northwind,{OUT},{'9' * 5000},,,,,,": ("seconds", "more than"),
    f"x,{AT_TEN},northwind,+12125550100,555,61,,,,,,": ("to", "not a phone number"),
    f"x,{AT_TEN},northwind,lobby,+12125550199,61,,,,,,": ("from", "not a phone number"),
    f"x,{AT_TEN},northwind,+13105550188,+13105550189,61,,,,,,": ("from", "Neither number"),
    f"x,{AT_TEN},northwind,anonymous,+12125550199,61,outbound,,,,,": ("from", "number that it came from"),
    f"x,{AT_TEN},northwind,{OUT},61,sideways,,,,,": ("direction", "inbound or outbound"),
    f"x,{AT_TEN},northwind,{OUT},61,,,,,,EUR": ("currency", "billed in USD"),
    f"x,{AT_TEN},northwind,{OUT},61,,,3,,,": ("quantity", "so it is a call"),
    f"x,{AT_TEN},northwind,,,,,minutes,3,,,": ("meter", "no meter “minutes”"),
    f"x,{AT_TEN},northwind,,,,,domestic-local,3,,,": ("meter", "follows from its numbers"),
    f"x,{AT_TEN},northwind,,,9,,ai-agent,3,,,": ("seconds", "no call"),
    f"x,{AT_TEN},northwind,,,,,ai-agent,-3,,,": ("quantity", "below zero"),
    f"x,{AT_TEN},northwind,,,,,ai-agent,1000000001,,,": ("quantity", "more than"),
    f"x,{AT_TEN},northwind,,,,,ai-agent,3,Front desk,,": ("subscription", "no subscription “Front desk”"),
    f"x,{AT_TEN},northwind,,,,,agents,3,,,": ("subject", "Name who or what"),
    f"x,{AT_TEN},northwind,,,,,ai-agent,3,,{'y' * 81},": ("subject", "at most 80"),
    f"x,{AT_TEN},northwind,{OUT},61": ("", "Too few fields: 6"),
    f"x,{AT_TEN},northwind,{OUT},61,,,,,,,,": ("", "Too many fields: 14"),
    f'"x,{AT_TEN},northwind,{OUT},61,,,,,,': ("", "A quote is not closed"),
    f"x\0,{AT_TEN},northwind,{OUT},61,,,,,,": ("", "characters that are no text"),
    f"x,{AT_TEN},northwind,{OUT},61,,,,,,{' ' * 20_000}": ("", "longer than 16,384"),
}


@pytest.mark.parametrize("offset", ["+00:00:30.5", "-05:00:00.000001", "+23:59:59"])
def test_an_offset_with_seconds_is_an_instant_like_every_other(offset: str) -> None:
    """USE-1: one line cannot stop the good ones of its file, however odd its time is written."""
    found = imported(f"{CALLS}\n{GOOD}\n{GOOD.replace('a,', 'b,', 1).replace('-05:00', offset)}\n")
    assert (found.state, found.taken) == ("finished", 2)


@pytest.mark.usefixtures("_others")
def test_a_direction_puts_no_call_on_the_bill_of_who_never_had_the_number() -> None:
    """USE-1, USE-2: one of nobody's is taken as it is told; one of another account is refused, and the rest kept."""
    told = "2026-03-01T10:00:00-05:00,northwind,+12125550177,+12125550199,61,outbound"
    found = imported(
        f"{CALLS}\n{GOOD}\nb,{told}\nc,{told.replace('0177', '0178')}\n"
        f"d,{told.replace('+12125550177', '+12125550100')}\n"
    )
    assert [(line, field) for line, field, _ in faults(found)] == [(3, "account")]
    assert "other" in faults(found)[0][2]
    assert sorted(UsageRecord.objects.values_list("record_id", flat=True)) == ["a", "c", "d"]


@pytest.fixture
def _others(account: Account) -> None:
    """An account that is played, one with a number of its own, and a tenant whose licences are named."""
    factories.AccountFactory(slug="played", name="Played", is_simulation=True)
    bought(factories.AccountFactory(slug="other", name="Other", brand=account.brand), "+12125550177")
    Tenancy.objects.create(account=account, licence_mode="named", telephony_option="vpop")


@pytest.mark.usefixtures("_others")
@pytest.mark.parametrize(("line", "expected"), BAD.items(), ids=[words for _, words in BAD.values()])
def test_a_bad_line_is_named_with_its_column_and_its_neighbours_are_taken(
    line: str, expected: tuple[str, str]
) -> None:
    """USE-1: never a record that is half counted."""
    good = [f"{key},{AT_TEN},northwind,{OUT},61,,,,,," for key in "ab"]
    found = imported("\n".join([ALL, good[0], line, good[1], ""]))
    [(number, column, reason)] = faults(found)
    assert (number, column) == (3, expected[0])
    assert expected[1] in reason
    assert (found.state, found.taken, found.refused, found.lines_done) == ("finished", 2, 1, 4)
    assert sorted(UsageRecord.objects.values_list("record_id", flat=True)) == ["a", "b"]


def test_a_line_in_another_encoding_is_refused_alone() -> None:
    """USE-1: the lines before and after it are taken."""
    bad = GOOD.encode().replace(b"a,", "é,".encode("latin-1"), 1)
    found = imported(b"\n".join([CALLS.encode(), GOOD.encode(), bad, b""]))
    assert faults(found) == [(3, "", "This line is not UTF-8 text.")]
    assert found.taken == 1


def test_a_file_that_was_cut_loses_its_last_line_alone() -> None:
    """USE-1: 61 seconds, cut after the 6, are a whole line to look at."""
    for cut in (GOOD[:-10], GOOD[:20]):
        found = imported(f"{CALLS}\n{GOOD}\n{cut}".replace("a,2026", "b,2026", 1))
        [(line, _, reason)] = faults(found)
        assert (line, "may have been cut" in reason) == (3, True)


REFUSED = {
    "empty": b"",
    "no column": CALLS.replace("seconds", "length").encode() + b"\n",
    "missing": CALLS.replace("id,", "", 1).encode() + b"\n",
    "twice": CALLS.replace("direction", "id").encode() + b"\n",
    "Columns are missing: seconds": b"id,at,from,to\n",
    "other usage needs": b"id,at,account\n",
    "separated by commas": CALLS.replace(",", ";").encode() + b"\n",
    "not UTF-8": CALLS.encode("utf-16") + b"\n",
    "a workbook": b"PK\x03\x04" + bytes(100),
    "no text": CALLS.encode() + b"\0\n",
    "too long": b"x" * 100_000,
    "in its first line": CALLS.encode(),
    "quote": b'"id,at\n',
}


@pytest.mark.parametrize(("words", "content"), REFUSED.items(), ids=list(REFUSED))
def test_a_file_without_a_header_is_refused_as_a_whole(words: str, content: bytes) -> None:
    """USE-1: with the reason, and nothing of it is taken."""
    found = imported(content)
    assert (found.state, found.taken, found.refused) == ("failed", 0, 0)
    assert words in found.failed_reason


def test_columns_come_in_any_order_with_quotes_spaces_and_a_byte_order_mark(account: Account) -> None:
    """USE-1: as spreadsheets and Windows write them."""
    found = imported(
        "\ufeffSeconds,To, from,ID,at,account\r\n"
        f'61,"+12125550199", +1 212 555 0100,"a ""quoted"", id",{AT_TEN},northwind\r\n'
        "\r\n"
        f"61,+442071838750,+12125550100,b,{AT_TEN},northwind\r\n"
    )
    assert faults(found) == []
    assert list(UsageRecord.objects.order_by("id").values_list("record_id", "meter", "peer")) == [
        ('a "quoted", id', "domestic-local", "+12125550199"),
        ("b", "international", "+442071838750"),
    ]
    assert found.lines_done == 4


def test_other_usage_names_its_meter_subscription_and_subject(account: Account) -> None:
    """USE-2, SUB-6."""
    Tenancy.objects.create(account=account, licence_mode="concurrent", telephony_option="vpop")
    subscription = Subscription.objects.create(
        tenancy_id=account.pk,
        name="Front desk",
        term_months=12,
        starts_on=date(2026, 2, 20),
        agreed_until=date(2027, 2, 20),
        ends_on=date(2027, 2, 20),
        recorded_on=date(2026, 2, 20),
    )
    found = imported(f"{ALL}\na,{AT_TEN},northwind,,,,,agents,12,Front desk,,usd\n")
    assert faults(found) == []
    record = UsageRecord.objects.get()
    assert (record.meter, record.units, record.subscription_id) == ("agents", 12, subscription.pk)


def test_the_sample_is_as_the_format_says() -> None:
    """USE-1: what is offered to begin with can be read."""
    header = read_header(BytesIO(SAMPLE.encode()))
    assert header.columns == COLUMNS
    [batch] = read_batches(BytesIO(SAMPLE.encode()), header, 10_000, lines_done=0, bytes_done=0)
    assert (len(batch.rows), batch.faults, batch.lines_done) == (3, [], 4)


def test_help_names_every_column(client: Client) -> None:
    """USE-1: the format is documented."""
    said = client.get("/help/usage/").content.decode()
    for column in COLUMNS:
        assert f"<code>{column}</code>" in said


def test_many_bad_lines_are_all_counted_and_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """USE-1: a report that can be opened, whatever came."""
    monkeypatch.setattr(usage_import, "KEPT_FAULTS", 25)
    monkeypatch.setattr(usage_import, "_BATCH", {"sqlite": 100, "postgresql": 100})
    found = imported(f"{CALLS}\n" + "bad\n" * 100)
    assert (found.refused, found.lines_done) == (100, 101)
    assert [line for line, _, _ in faults(found)] == list(range(2, 27))


def test_who_holds_the_file_is_the_only_one_to_import_it() -> None:
    """USE-1: two workers never import one file at once."""
    found = receive_file("a.csv", BytesIO(f"{CALLS}\n{GOOD}\n".encode()), source=UPLOAD, actor=TESTS, at=AT)
    with Path(found.path).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run_import(found, actor=TESTS, clock=lambda: AT).state == "waiting"
    assert run_import(found, actor=TESTS, clock=lambda: AT).taken == 1


def test_an_import_whose_file_is_gone_says_so() -> None:
    found = receive_file("a.csv", BytesIO(b"x"), source=UPLOAD, actor=TESTS, at=AT)
    Path(found.path).unlink()
    done = run_import(found, actor=TESTS, clock=lambda: AT)
    assert (done.state, done.failed_reason) == ("failed", "The file is not there any more.")


def test_a_rate_that_is_missing_is_counted() -> None:
    """USE-3: the record is taken, and waits for its rate."""
    MeterRate.objects.filter(meter="domestic-local").delete()
    assert imported(f"{CALLS}\n{GOOD}\n").unrated == 1
