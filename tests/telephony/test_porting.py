"""NUM-1, BIL-5, BIL-8: numbers that change carriers do so on the day that was confirmed, and billing with them."""

from datetime import date

import pytest

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from billing.models import Charge
from telephony.models import Number, NumberState, PortDirection, PortRequest, PortState
from telephony.numbers import add_number
from telephony.porting import (
    cancel_port,
    confirm_port,
    port_due,
    reject_port,
    request_port,
    submit_port,
)
from tests.billing.engine_facts import day
from tests.billing.world import an_account, on, run_at

pytestmark = pytest.mark.django_db

ELSEWHERE, OTHER = "+12125550140", "+12125550141"


@pytest.fixture
def account() -> Account:
    return an_account()


def asked(account: Account, *numbers: str, out: bool = False, text: str = "01-05") -> PortRequest:
    direction = PortDirection.OUT if out else PortDirection.IN
    return request_port(
        account,
        direction,
        numbers or (ELSEWHERE,),
        carrier="Old Carrier",
        authorised_by="Ann Reyes",
        **on(account, text),
    )


def confirmed(account: Account, *numbers: str, out: bool = False, day_of_it: str = "01-20") -> PortRequest:
    request = asked(account, *numbers, out=out)
    submit_port(request, **on(account, "01-06"))
    confirm_port(request, day(day_of_it), **on(account, "01-07"))
    return request


def state(request: PortRequest) -> str:
    return PortRequest.objects.values_list("state", flat=True).get(pk=request.pk)


def test_a_port_in_brings_its_numbers_on_its_day(account: Account) -> None:
    """NUM-1, BIL-3: parked from the confirmed day on, with thirty free days from there."""
    request = confirmed(account, ELSEWHERE, OTHER)
    assert port_due(on(account, "01-19")["at"]) == 0
    assert not Number.objects.exists()
    assert port_due(on(account, "01-20")["at"]) == 1
    assert state(request) == PortState.DONE
    assert set(Number.objects.values_list("e164", "parked_on")) == {
        (ELSEWHERE, date(2026, 1, 20)),
        (OTHER, date(2026, 1, 20)),
    }
    assert set(Charge.objects.values_list("billing_starts_on", flat=True)) == {date(2026, 2, 19)}


def test_done_late_it_is_dated_its_own_day(account: Account) -> None:
    """BIL-8: as if nothing had been missed; the run of a day does what was due before it."""
    confirmed(account)
    run_at(on(account, "03-16")["at"], only=account)
    assert Number.objects.get().parked_on == date(2026, 1, 20)
    starts = [str(invoice.issued_on) for invoice in account.invoices.order_by("issued_on")]
    assert starts == ["2026-03-15"]


def test_a_port_out_ends_billing_on_its_day(account: Account) -> None:
    """BIL-5: the number is released, its charge ended."""
    number = add_number(account, ELSEWHERE, **on(account, "01-03"))
    request = confirmed(account, ELSEWHERE, out=True)
    port_due(on(account, "01-25")["at"])
    number = Number.objects.get(pk=number.pk)
    assert (number.state, number.released_on) == (NumberState.RELEASED, date(2026, 1, 20))
    assert Charge.objects.get().ended_on == date(2026, 1, 20)
    assert state(request) == PortState.DONE
    assert AuditEntry.objects.filter(action="finish-port", by="porting").exists()


def test_what_cannot_move_any_more_is_rejected_and_nothing_moves(account: Account) -> None:
    """NUM-1: taken by somebody else since; the other number of the request stays away too."""
    request = confirmed(account, ELSEWHERE, OTHER)
    add_number(an_account(), OTHER, **on(account, "01-10"))
    port_due(on(account, "01-20")["at"])
    assert state(request) == PortState.REJECTED
    assert "in use already" in PortRequest.objects.get().reason
    assert not Number.objects.filter(account=account).exists()


def test_a_day_may_be_moved_and_is_moved_once(account: Account) -> None:
    request = confirmed(account)
    confirm_port(request, day("01-25"), **on(account, "01-08"))
    confirm_port(request, day("01-25"), **on(account, "01-08"))
    assert port_due(on(account, "01-20")["at"]) == 0
    assert port_due(on(account, "01-25")["at"]) == 1
    assert port_due(on(account, "01-25")["at"]) == 0
    assert AuditEntry.objects.filter(action="confirm-port").count() == 2


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((), "1 to 500"),
        (("nonsense",), "not a phone number"),
        ((ELSEWHERE, "(212) 555-0140"), "given twice"),
        (("+12125550199",), "in use here already"),
        (("+12125550150",), "in another request"),
    ],
)
def test_bad_numbers_are_refused_by_name(account: Account, numbers: tuple[str, ...], words: str) -> None:
    """NUM-1: and nothing of the request is kept."""
    add_number(account, "+12125550199", **on(account, "01-03"))
    asked(account, "+12125550150")
    with pytest.raises(Refused) as refusal:
        request_port(
            account, PortDirection.IN, numbers, carrier="Old", authorised_by="Ann", **on(account, "01-05")
        )
    assert words in refusal.value.message
    assert PortRequest.objects.count() == 1


def test_only_own_numbers_are_ported_out(account: Account) -> None:
    """ACC-4, NUM-1: another account's number is as unknown as one that there is not."""
    add_number(an_account(), ELSEWHERE, **on(account, "01-03"))
    with pytest.raises(Refused) as refusal:
        asked(account, ELSEWHERE, out=True)
    assert "not one of this account's numbers" in refusal.value.message


def test_states_follow_one_another(account: Account) -> None:
    """Submitted once, confirmed for a day to come, rejected with a reason, cancelled until it is over."""
    request = asked(account)
    at = on(account, "01-06")
    with pytest.raises(Refused):
        confirm_port(request, day("01-20"), **at)
    submit_port(request, **at)
    for refused in (
        lambda: submit_port(request, **at),
        lambda: confirm_port(request, day("01-06"), **at),
        lambda: reject_port(request, "  ", **at),
    ):
        with pytest.raises(Refused):
            refused()
    reject_port(request, "The name does not match", **at)
    assert state(request) == PortState.REJECTED
    with pytest.raises(Refused):
        cancel_port(request, **at)
    again = asked(account, text="01-08")
    cancel_port(again, **on(account, "01-09"))
    assert state(again) == PortState.CANCELLED
