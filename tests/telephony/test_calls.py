"""USE-2: a call's meter from its direction and its two numbers; and whose call it was."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Account
from accounts.refusals import Refused
from billing.models import UsageRecord
from telephony.call_records import Call, NumberBook, record_call, usage_of
from telephony.calls import Direction, call_number, is_toll_free, meter_of
from telephony.models import ServiceKind
from telephony.numbers import add_number, assign_number, park_number
from telephony.services import add_service
from tests.billing.world import an_account, on

IN, OUT = Direction.INBOUND, Direction.OUTBOUND
FREE = None
NEW_YORK, BOSTON, LONDON = "+12125550100", "+16175550100", "+442079460000"
ANONYMOUS = ""


def of(area_code: str) -> str:
    """A number of an area code in +1."""
    return f"+1{area_code}5550123"


# --- inbound -----------------------------------------------------------------------------------

AFAR = ["907", "808", "787", "939", "340"]
CANADA = ["416", "604", "514", "867", "709", "902", "204", "306", "506", "780", "942"]
CARIBBEAN = ["242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664", "721", "758", "767"]
CARIBBEAN += ["784", "809", "829", "849", "868", "869", "876"]
PACIFIC = ["671", "670", "684"]
TOLL_FREE = ["800", "833", "844", "855", "866", "877", "888"]


@pytest.mark.parametrize("called", TOLL_FREE)
@pytest.mark.parametrize(
    ("caller", "meter"),
    [
        (NEW_YORK, "toll-free-inbound"),
        *((of(code), "toll-free-inbound-ak-hi-pr-vi") for code in AFAR),
        *((of(code), "toll-free-inbound-canada") for code in CANADA),
        *((of(code), "toll-free-inbound") for code in (*CARIBBEAN, *PACIFIC)),
        (LONDON, "toll-free-inbound"),
        # 907 and 416 are area codes in +1 alone: Turkey's +90 7 and Austria's +41 6 are no Alaska and no Canada.
        ("+907555012345", "toll-free-inbound"),
        ("+41655501234", "toll-free-inbound"),
        (of("800"), "toll-free-inbound"),
        (ANONYMOUS, "toll-free-inbound"),
        ("+1", "toll-free-inbound"),
    ],
)
def test_inbound_to_a_toll_free_number_goes_by_the_callers_region(
    caller: str, called: str, meter: str
) -> None:
    """USE-2: told by area code; whoever is of none of the five is of the rest."""
    assert meter_of(IN, caller, of(called)) == meter


@pytest.mark.parametrize("called", [NEW_YORK, of("907"), of("416"), of("876"), LONDON])
@pytest.mark.parametrize("caller", [NEW_YORK, of("907"), of("416"), of("800"), LONDON, ANONYMOUS])
def test_inbound_to_a_local_number_is_free(caller: str, called: str) -> None:
    """USE-2: wherever it comes from."""
    assert meter_of(IN, caller, called) is FREE


@pytest.mark.parametrize("called", ["+448081570000", "+80012345678", "+498001234567"])
def test_toll_free_numbers_abroad_ring_free_too(called: str) -> None:
    """USE-2: inbound to them is charged by the caller's region as well."""
    assert meter_of(IN, NEW_YORK, called) == "toll-free-inbound"
    assert meter_of(IN, of("416"), called) == "toll-free-inbound-canada"


# --- outbound ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "called", "meter"),
    [
        (NEW_YORK, "+12125559999", "domestic-local"),
        (of("907"), "+19075559999", "domestic-local"),
        (of("416"), "+14165559999", "domestic-local"),
        # Two area codes over the same city are two area codes.
        (NEW_YORK, of("646"), "domestic-long-distance"),
        (NEW_YORK, BOSTON, "domestic-long-distance"),
        *((NEW_YORK, of(code), "domestic-long-distance") for code in (*AFAR, *CANADA, *PACIFIC)),
        *((NEW_YORK, of(code), "international") for code in CARIBBEAN),
        (of("416"), NEW_YORK, "domestic-long-distance"),
        (of("416"), of("604"), "domestic-long-distance"),
        (NEW_YORK, LONDON, "international"),
        (NEW_YORK, "+523312345678", "international"),
        (LONDON, "+442079460001", "international"),
        # The same digits in the place of an area code are not the same area code.
        ("+442125550100", NEW_YORK, "domestic-long-distance"),
        (NEW_YORK, "+442125550100", "international"),
    ],
)
def test_outbound_goes_by_where_it_goes(caller: str, called: str, meter: str) -> None:
    """USE-2: the same area code, the rest of the US and Canada, all else; the Caribbean in +1 is abroad."""
    assert meter_of(OUT, caller, called) == meter


@pytest.mark.parametrize("called", TOLL_FREE)
def test_outbound_to_a_toll_free_number_is_free(called: str) -> None:
    """USE-2: who is called pays, so the account does not."""
    assert meter_of(OUT, NEW_YORK, of(called)) is FREE
    assert is_toll_free(of(called))


@pytest.mark.parametrize("number", [NEW_YORK, "+448001111111", "+4488855501", "", "+1"])
def test_what_is_not_toll_free_in_north_america(number: str) -> None:
    assert not is_toll_free(number)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+12125550100", "+12125550100"),
        ("(212) 555-0100", "+12125550100"),
        ("1 212 555 0100", "+12125550100"),
        ("+44 20 7946 0000", "+442079460000"),
    ],
)
def test_numbers_are_read_however_they_are_written(written: str, read: str) -> None:
    """NUM-1."""
    assert call_number(written) == read


@pytest.mark.parametrize("written", ["", "12", "anonymous", "+1212555010"])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(Refused):
        call_number(written)


# --- whose call it was -------------------------------------------------------------------------

OWN, OTHER_OWN, OWN_TOLL_FREE = "+12125550101", "+12125550102", "+18005550103"
NOON = datetime(2026, 1, 20, 17, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    """An account with two local numbers and a toll-free one, since January 5."""
    found = an_account()
    for number in (OWN, OTHER_OWN, OWN_TOLL_FREE):
        add_number(found, number, **on(found, "01-05"))
    return found


def take(account: Account, caller: str, called: str, **fields: Any) -> str | None:
    """Take a call; its meter, or None where it is free."""
    told = {"seconds": 61, "occurred_at": NOON, **on(account, "01-21")} | fields
    is_kept = record_call(account, "c1", caller=caller, called=called, **told)
    record = UsageRecord.objects.filter(account=account, record_id="c1").first()
    assert is_kept is (record is not None)
    return record.meter if record else None


@pytest.mark.parametrize(
    ("caller", "called", "meter"),
    [
        (BOSTON, OWN_TOLL_FREE, "toll-free-inbound"),
        (BOSTON, OWN, FREE),
        (OWN, BOSTON, "domestic-long-distance"),
        (OWN, NEW_YORK, "domestic-local"),
        (OWN, "+18775550100", FREE),
        # Between two of its own it is inbound: free on the one, toll-free on the other.
        (OWN, OTHER_OWN, FREE),
        (OWN, OWN_TOLL_FREE, "toll-free-inbound"),
        # Numbers that the account has no record of: a toll-free one is only ever called.
        (BOSTON, "+18775550100", "toll-free-inbound"),
        (of("808"), "+18775550100", "toll-free-inbound-ak-hi-pr-vi"),
        (BOSTON, NEW_YORK, "domestic-long-distance"),
    ],
)
def test_the_direction_follows_from_whose_the_numbers_are(
    account: Account, caller: str, called: str, meter: str | None
) -> None:
    """USE-2."""
    assert take(account, caller, called) == meter


def test_a_call_is_kept_with_its_numbers_and_its_holder(account: Account) -> None:
    """NUM-2: who held the number when it rang, not who holds it now; seconds as they came, and as they are billed."""
    desk = add_service(account, ServiceKind.HUNT_GROUP, "Sales", **on(account, "01-05"))
    assign_number(account.numbers.get(e164=OWN_TOLL_FREE), to=desk, **on(account, "01-19"))
    park_number(account.numbers.get(e164=OWN_TOLL_FREE), **on(account, "01-21", "09:00"))
    take(account, BOSTON, OWN_TOLL_FREE)
    record = UsageRecord.objects.get(account=account)
    assert (record.number, record.peer, record.holder) == (OWN_TOLL_FREE, BOSTON, "Sales")
    assert (record.quantity, record.units, record.subscription) == (61, 120, None)
    assert (str(record.occurred_on), str(record.recorded_on)) == ("2026-01-20", "2026-01-21")
    later = Call("c2", BOSTON, OWN_TOLL_FREE, 5, NOON + timedelta(days=1))
    usage = usage_of(account, later, NumberBook.of([account]))
    assert usage is not None
    assert usage.holder == "Parked"


def test_a_withheld_caller_is_of_no_region(account: Account) -> None:
    """USE-2: charged as of the mainland."""
    assert take(account, ANONYMOUS, OWN_TOLL_FREE) == "toll-free-inbound"


def test_a_direction_that_is_told_goes_before_what_the_numbers_tell(account: Account) -> None:
    """USE-2: for exchanges whose numbers the panel does not know."""
    book = NumberBook.of([account])
    told = usage_of(account, Call("c1", BOSTON, NEW_YORK, 5, NOON, Direction.OUTBOUND), book)
    assert told is not None
    assert (told.meter, told.number, told.peer) == ("domestic-long-distance", BOSTON, NEW_YORK)
    assert usage_of(account, Call("c1", BOSTON, NEW_YORK, 5, NOON, Direction.INBOUND), book) is None
    with pytest.raises(Refused, match="Neither number is one of this account's"):
        usage_of(account, Call("c1", BOSTON, NEW_YORK, 5, NOON), book)


def test_another_accounts_numbers_tell_nothing(account: Account) -> None:
    """ACC-4."""
    other = an_account()
    with pytest.raises(Refused):
        usage_of(other, Call("c1", BOSTON, OWN_TOLL_FREE, 5, NOON), NumberBook.of([other]))
    both = NumberBook.of([account, other])
    assert both.direction(account, Call("c1", BOSTON, OWN_TOLL_FREE, 5, NOON)) == Direction.INBOUND
    assert both.direction(other, Call("c1", BOSTON, OWN_TOLL_FREE, 5, NOON)) is None


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        # The account's own day, in New York: the 21st has not ended there at 04:59 UTC of the 22nd.
        (datetime(2026, 1, 22, 5, tzinfo=UTC), "2026-01-22 lies in the future"),
        (datetime(2026, 1, 2, 4, 59, tzinfo=UTC), "On 2026-01-01 the account was not open yet"),
    ],
)
def test_a_call_of_no_day_of_the_account_is_refused(account: Account, at: datetime, reason: str) -> None:
    """USE-1."""
    with pytest.raises(Refused, match=reason):
        take(account, BOSTON, OWN_TOLL_FREE, occurred_at=at)
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize(
    "at", [datetime(2026, 1, 22, 4, 59, tzinfo=UTC), datetime(2026, 1, 2, 5, tzinfo=UTC)]
)
def test_a_call_of_the_accounts_first_and_of_its_present_day_is_taken(account: Account, at: datetime) -> None:
    """USE-1."""
    assert take(account, BOSTON, OWN_TOLL_FREE, occurred_at=at) == "toll-free-inbound"


def test_the_same_call_twice_counts_once(account: Account) -> None:
    """USE-1: though it came with other words."""
    assert take(account, BOSTON, OWN_TOLL_FREE) == "toll-free-inbound"
    told: dict[str, Any] = {"seconds": 6000, "occurred_at": NOON, **on(account, "01-22")}
    assert not record_call(account, "c1", caller=BOSTON, called=OWN_TOLL_FREE, **told)
    told["occurred_at"] += timedelta(days=90)
    assert not record_call(account, "c1", caller=BOSTON, called=OWN_TOLL_FREE, **told)
    assert [record.quantity for record in UsageRecord.objects.all()] == [61]
