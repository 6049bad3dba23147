"""The pages of ports: the list, the two forms with what they cost, a request's page, and who may do what."""

import csv
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser, OutgoingMail
from telephony.models import InventoryNumber, Number, PortDirection, PortRequest, PortState
from telephony.porting import cancel_port, confirm_port, port_due, reject_port, request_port, submit_port
from telephony.porting_forms import split_numbers
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, last_action, page, text

THERE, ALSO_THERE = "+12125550140", "+12125550141"
TYPED = {"numbers": "(212) 555-0140\n+1 212 555 0141", "carrier": "Old Carrier", "authorised_by": "Ann Reyes"}


def asked(account: Account, *numbers: str, out: bool = False, carrier: str = "Old Carrier") -> PortRequest:
    return request_port(
        account,
        PortDirection.OUT if out else PortDirection.IN,
        numbers or (THERE,),
        carrier=carrier,
        authorised_by="Ann Reyes",
        actor=TESTS,
        at=AT,
    )


def submitted(account: Account, *numbers: str, out: bool = False) -> PortRequest:
    request = asked(account, *numbers, out=out)
    submit_port(request, actor=TESTS, at=AT)
    return request


def confirmed(account: Account, *numbers: str, out: bool = False) -> PortRequest:
    request = submitted(account, *numbers, out=out)
    confirm_port(request, date(2026, 3, 20), actor=TESTS, at=AT)
    return request


def state(request: PortRequest) -> str:
    return PortRequest.objects.values_list("state", flat=True).get(pk=request.pk)


class TestList:
    def test_says_how_porting_works_while_there_is_none(self, client: Client, account: Account) -> None:
        answer = text(client.get(page("number-ports")))
        assert "No numbers on the move" in answer
        assert page("number-port-in") in answer
        assert "/help/numbers/#porting" in answer

    def test_shows_what_is_asked(self, client: Client, account: Account) -> None:
        confirmed(account, THERE, ALSO_THERE)
        answer = text(client.get(page("number-ports")))
        for words in ("(212) 555-0140", "and 1 more", "Old Carrier", "Confirmed", "Mar 20, 2026"):
            assert words in answer, words

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"direction": "in"}, ["first", "third"]),
            ({"direction": "out"}, ["second"]),
            ({"state": "submitted"}, ["third"]),
            ({"state": "open"}, ["first", "third"]),
            ({"state": "cancelled"}, ["second"]),
            ({"state": "nonsense"}, ["first", "second", "third"]),
            ({"q": "555-0149"}, ["third"]),
            ({"q": "bay tele"}, ["first"]),
            ({"q": "nobody"}, []),
            ({"sort": "carrier"}, ["first", "second", "third"]),
        ],
    )
    def test_is_filtered_and_searched(
        self, client: Client, account: Account, number: Number, query: dict[str, str], found: list[str]
    ) -> None:
        made = {
            "first": asked(account, carrier="Bay Telephone"),
            "second": asked(account, number.e164, out=True),
            "third": submitted(account, "+12125550149"),
        }
        cancel_port(made["second"], actor=TESTS, at=AT)
        rows = client.get(page("number-ports"), query).context["page"].rows
        assert {row.pk for row in rows} == {made[name].pk for name in found}

    def test_goes_out_as_a_file(self, client: Client, account: Account) -> None:
        confirmed(account, THERE, ALSO_THERE)
        answer = client.get(page("number-ports-csv"))
        (row,) = csv.DictReader(StringIO(answer.getvalue().decode("utf-8-sig")))
        assert row["numbers"] == f"{THERE}; {ALSO_THERE}"
        assert (row["direction"], row["state"], row["confirmed for"]) == ("in", "confirmed", "2026-03-20")

    def test_is_cheap_at_any_length(
        self, client: Client, account: Account, opens_cheaply: Callable[[Client, str], HttpResponseBase]
    ) -> None:
        for place in range(60):
            asked(account, f"+1212555{place:04d}")
        answer = text(opens_cheaply(client, page("number-ports")))
        assert "60 requests" in answer
        assert "after=" in answer

    def test_is_reached_from_the_numbers(self, client: Client, account: Account) -> None:
        assert f'href="{page("number-ports")}"' in text(client.get(page("numbers")))

    def test_holds_the_account_s_own_alone(
        self, client: Client, account: Account, elsewhere: Account
    ) -> None:
        """ACC-4."""
        asked(elsewhere, carrier="Secret Carrier")
        assert "Secret Carrier" not in text(client.get(page("number-ports")))
        assert client.get(page("number-ports", account="elsewhere")).status_code == 404


class TestPortIn:
    def test_is_handed_in(self, client: Client, account: Account) -> None:
        """NUM-1: in any written form, kept in E.164; nothing is here yet."""
        response = client.post(page("number-port-in"), TYPED | {"wanted_on": "2026-03-20"}, follow=True)
        request = PortRequest.objects.get()
        assert list(request.numbers.values_list("e164", flat=True)) == [THERE, ALSO_THERE]
        assert (request.state, request.wanted_on) == (PortState.SUBMITTED, date(2026, 3, 20))
        assert "is submitted" in text(response)
        assert not Number.objects.exists()

    def test_is_kept_as_a_draft_and_handed_in_later(self, client: Client, account: Account) -> None:
        client.post(page("number-port-in"), TYPED | {"draft": "1"})
        request = PortRequest.objects.get()
        assert request.state == PortState.DRAFT
        client.post(page("number-port-submit", request.pk))
        assert (state(request), last_action()) == (PortState.SUBMITTED, "submit-port")
        again = client.post(page("number-port-submit", request.pk), follow=True)
        assert "is submitted. Nothing was changed." in text(again)

    @pytest.mark.parametrize(
        ("changes", "field", "words"),
        [
            ({"numbers": ""}, "numbers", "Enter the numbers"),
            ({"numbers": " ,;\n"}, "numbers", "1 to 500"),
            ({"numbers": "call me, (212) 555-0140, nonsense"}, "numbers", "“call me”, “nonsense”"),
            ({"numbers": "2125550140, +12125550140"}, "numbers", "+12125550140: given twice"),
            ({"numbers": "+12125550199"}, "numbers", "+12125550199: in use here already"),
            ({"numbers": "+12125550150"}, "numbers", "+12125550150: in another request"),
            ({"numbers": "\n".join(["+12125550140"] * 501)}, "numbers", "1 to 500"),
            ({"carrier": " "}, "carrier", "Name the other carrier"),
            ({"carrier": "x" * 81}, "carrier", "at most 80"),
            ({"authorised_by": ""}, "authorised_by", "who may speak"),
            ({"wanted_on": "2026-03-02"}, "wanted_on", "a day to come"),
            ({"wanted_on": "soon"}, "wanted_on", "Give a day"),
        ],
    )
    def test_says_what_is_wrong_by_its_field(
        self,
        client: Client,
        account: Account,
        elsewhere: Account,
        everything: Snapshot,
        changes: dict[str, str],
        field: str,
        words: str,
    ) -> None:
        """NUM-1: numbers are named, what was typed is kept, nothing is written, and no other account is named."""
        bought(elsewhere, "+12125550199")
        asked(elsewhere, "+12125550150")
        before = everything()
        response = client.post(page("number-port-in"), TYPED | changes)
        assert response.status_code == 200
        form = response.context["form"]
        assert words in str(form.errors.get(field))
        assert {name: form[name].value() for name in changes} == changes
        assert "Elsewhere" not in text(response)
        assert everything() == before

    def test_says_what_it_costs_before_the_button(
        self, client: Client, account: Account, everything: Snapshot
    ) -> None:
        """BIL-3: local numbers have 30 free days from their day on, toll-free ones none; asking changes nothing."""
        before = everything()
        sent = {"numbers": THERE, "wanted_on": "2026-03-20", "preview": "1"}
        found = client.post(page("number-port-in"), sent).context["port_cost"]
        assert found.on == date(2026, 3, 20)
        assert (str(found.cost.box["monthly"]), found.cost.box["begins_on"]) == ("2.50", date(2026, 4, 19))
        sent["numbers"] = "+18005550130"
        found = client.post(page("number-port-in"), sent).context["port_cost"]
        assert (str(found.cost.box["monthly"]), found.cost.box["begins_on"]) == ("4.00", date(2026, 3, 20))
        del sent["wanted_on"]
        assert client.post(page("number-port-in"), sent).context["port_cost"].on == date(2026, 3, 3)
        assert everything() == before

    def test_says_what_numbers_cost_while_none_is_given(self, client: Client, account: Account) -> None:
        """BIL-3."""
        answer = text(client.get(page("number-port-in")))
        assert "the first 30 days are free" in answer
        assert "$2.50" in answer

    def test_sums_up_many_by_their_kind(self, client: Client, account: Account) -> None:
        """Above what one action takes they are counted; 200 local numbers at 2.50."""
        numbers = ",".join(f"+1212555{place:04d}" for place in range(200))
        response = client.post(page("number-port-in"), {"numbers": numbers, "preview": "1"})
        (row,) = response.context["port_cost"].tariff
        assert row["count"] == 200
        assert "$500.00" in text(response)

    def test_is_not_for_readers(self, reader: Client, everything: Snapshot) -> None:
        """ACC-4."""
        before = everything()
        for name in ("number-port-in", "number-port-out"):
            assert reader.get(page(name)).status_code == 403
            assert reader.post(page(name), TYPED).status_code == 403
        assert everything() == before


class TestPortOut:
    def test_offers_what_is_in_no_open_request(self, client: Client, account: Account, dana: EndUser) -> None:
        bought(account, "+12125550101", dana)
        bought(account, "+12125550102")
        asked(account, "+12125550102", out=True)
        response = client.get(page("number-port-out"))
        assert [choice.value for choice in response.context["groups"][1].choices] == ["+12125550101"]
        assert "Dana Whitfield" in text(response)
        response = client.get(page("number-port-out"), {"q": "nobody"})
        assert "No other number fits" in text(response)

    def test_says_where_there_is_none(self, client: Client, account: Account) -> None:
        assert "No number to port out" in text(client.get(page("number-port-out")))

    def test_is_handed_in(self, client: Client, account: Account, number: Number) -> None:
        sent = {"numbers": [number.e164], "carrier": "New Carrier", "authorised_by": "Ann Reyes"}
        client.post(page("number-port-out"), sent)
        request = PortRequest.objects.get()
        assert (request.direction, request.state) == (PortDirection.OUT, PortState.SUBMITTED)
        assert Number.objects.get().state == "parked"

    def test_says_what_is_no_longer_billed(
        self, client: Client, account: Account, everything: Snapshot
    ) -> None:
        """BIL-5: a toll-free number that is billed at 4.00 ends on its day."""
        toll_free = bought(account, "+18005550130")
        before = everything()
        sent = {"numbers": [toll_free.e164], "wanted_on": "2026-03-20", "preview": "1"}
        response = client.post(page("number-port-out"), sent)
        found = response.context["port_cost"]
        assert str(found.cost.box["monthly"]) == "-4.00"
        assert "no longer billed, the days paid ahead are credited" in found.cost.box["lines"][0]["note"]
        assert found.cost.box["next_then"] <= found.cost.box["next_now"]
        assert everything() == before

    @pytest.mark.parametrize("forged", ["+12125550199", "+12125550777", "<script>", "1"])
    def test_takes_nothing_that_is_not_the_account_s(
        self, client: Client, account: Account, elsewhere: Account, everything: Snapshot, forged: str
    ) -> None:
        """ACC-4: another account's number is refused as one that there is not."""
        bought(elsewhere, "+12125550199")
        before = everything()
        sent = {"numbers": [forged], "carrier": "New", "authorised_by": "Ann"}
        response = client.post(page("number-port-out"), sent)
        assert response.status_code == 200
        assert response.context["form"].errors["numbers"]
        assert "Elsewhere" not in text(response)
        assert "<script>:" not in text(response)
        assert everything() == before

    def test_asks_for_a_number(self, client: Client, number: Number) -> None:
        response = client.post(page("number-port-out"), {"carrier": "New", "authorised_by": "Ann"})
        assert "Choose at least one number" in text(response)

    def test_number_does_not_go_back_on_the_shelf(self, account: Account) -> None:
        """NUM-1, BIL-5: it is with the other carrier from its day on, and not for anybody to pick."""
        InventoryNumber.objects.create(
            brand=account.brand, e164="+12125550160", area_code="212", kind="local", region="NY"
        )
        bought(account, "+12125550160")
        confirmed(account, "+12125550160", out=True)
        port_due(AT + timedelta(days=20))
        assert Number.objects.get().state == "released"
        assert not InventoryNumber.objects.exists()


class TestRequest:
    def test_shows_its_states(self, client: Client, account: Account) -> None:
        """Which it has been through and which are to come, with who did what."""
        request = confirmed(account)
        response = client.get(page("number-port", request.pk))
        steps = [(step.label, step.is_done) for step in response.context["steps"]]
        assert steps == [
            ("Drafted", True),
            ("Submitted", True),
            ("Confirmed by both carriers", True),
            ("Numbers are here", False),
        ]
        answer = text(response)
        assert "confirmed for" in answer
        assert "What changes on your bill" in answer
        assert page("number-port-submit", request.pk) not in answer

    def test_of_one_that_was_rejected_says_why(self, client: Client, account: Account) -> None:
        request = submitted(account)
        reject_port(request, "The name does not match", actor=TESTS, at=AT)
        response = client.get(page("number-port", request.pk))
        assert "The name does not match" in text(response)
        assert page("number-port-in") in text(response)
        assert [step.label for step in response.context["steps"]] == ["Drafted", "Submitted", "Rejected"]
        assert response.context["port_cost"] is None

    def test_of_one_that_was_cancelled(self, client: Client, account: Account) -> None:
        request = confirmed(account)
        cancel_port(request, actor=TESTS, at=AT)
        labels = [step.label for step in client.get(page("number-port", request.pk)).context["steps"]]
        assert labels == ["Drafted", "Confirmed", "Cancelled"]

    def test_of_one_that_is_done(self, client: Client, account: Account) -> None:
        request = submitted(account)
        confirm_port(request, date(2026, 3, 10), actor=TESTS, at=AT)
        later = AT + timedelta(days=9)
        port_due(later)
        with time_machine.travel(later, tick=False):
            response = client.get(page("number-port", request.pk))
        assert all(step.is_done for step in response.context["steps"])
        assert page("number-port-cancel", request.pk) not in text(response)

    def test_is_cancelled_after_asking(self, client: Client, account: Account) -> None:
        request = confirmed(account)
        assert "stay with Old Carrier" in text(client.get(page("number-port-cancel", request.pk)))
        assert state(request) == PortState.CONFIRMED
        client.post(page("number-port-cancel", request.pk))
        assert (state(request), last_action()) == (PortState.CANCELLED, "cancel-port")
        again = client.post(page("number-port-cancel", request.pk))
        assert again.status_code == 400
        assert "is cancelled" in text(again)
        assert "nothing to cancel" in text(client.get(page("number-port-cancel", request.pk)))

    def test_reader_looks_and_changes_nothing(
        self, reader: Client, account: Account, everything: Snapshot
    ) -> None:
        """ACC-4."""
        request = asked(account)
        before = everything()
        answer = text(reader.get(page("number-port", request.pk)))
        assert page("number-port-submit", request.pk) not in answer
        assert page("number-port-cancel", request.pk) not in answer
        for name in ("number-port-submit", "number-port-cancel"):
            assert reader.post(page(name, request.pk)).status_code == 403
        assert everything() == before

    def test_another_account_s_is_not_there(
        self, client: Client, account: Account, elsewhere: Account, everything: Snapshot
    ) -> None:
        """ACC-4: under the own account's address too."""
        request = asked(elsewhere)
        before = everything()
        for name in ("number-port", "number-port-submit", "number-port-cancel"):
            method = client.get if name == "number-port" else client.post
            assert method(page(name, request.pk)).status_code == 404
            assert method(page(name, request.pk, account="elsewhere")).status_code == 404
        assert everything() == before


class TestMail:
    @pytest.fixture(autouse=True)
    def _owner(self, client: Client) -> None:
        """Somebody to write to."""

    def kinds(self) -> list[str]:
        return list(OutgoingMail.objects.order_by("pk").values_list("kind", flat=True))

    def test_tells_of_the_day_and_of_what_came_of_it(self, account: Account) -> None:
        request = confirmed(account)
        confirm_port(request, date(2026, 3, 20), actor=TESTS, at=AT)
        port_due(AT + timedelta(days=20))
        assert self.kinds() == ["port-confirmed", "port-done"]
        first = OutgoingMail.objects.earliest("pk")
        assert "March 20, 2026" in first.subject
        assert "(212) 555-0140" in first.text
        assert page("number-port", request.pk) in first.text

    def test_tells_why_it_is_rejected(self, account: Account) -> None:
        """Whether staff reject it or its day finds the number taken (NUM-1)."""
        reject_port(submitted(account), "The name does not match", actor=TESTS, at=AT)
        confirmed(account)
        bought(account, THERE)
        port_due(AT + timedelta(days=20))
        assert self.kinds() == ["port-rejected", "port-confirmed", "port-rejected"]
        assert "The name does not match" in OutgoingMail.objects.earliest("pk").text
        assert "in use already" in OutgoingMail.objects.latest("pk").text


def test_numbers_are_split_at_lines_and_commas() -> None:
    assert split_numbers("a, b;c\r\n\r\n d ,") == ["a", "b", "c", "d"]
