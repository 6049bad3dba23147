"""Assigning and moving a number, from the number's side and from the holder's."""

from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Number, Service
from telephony.numbers import release_number
from tests import factories
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, fresh, last_action, licensed, page, running, text

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def to(holder: EndUser | Service) -> str:
    return f"{'end-user' if isinstance(holder, EndUser) else 'service'}:{holder.pk}"


def offered(client: Client, address: str, **query: str) -> list[str]:
    """What the page offers to choose."""
    groups = client.get(address, query).context["chooser"].groups
    return [choice.label for group in groups for choice in group.choices]


class TestAssign:
    def test_gives_it_to_an_end_user(self, client: Client, number: Number, dana: EndUser) -> None:
        """NUM-2, NUM-3: the first number is included."""
        response = client.post(page("number-assign", number.pk), {"to": to(dana)}, follow=True)
        assert "(212) 555-0100 is assigned to Dana Whitfield." in text(response)
        assert Number.objects.get(pk=number.pk).end_user == dana
        assert running(number) is None
        assert last_action() == "assign-number"

    def test_moves_it_to_a_service(
        self, client: Client, account: Account, dana: EndUser, ring: Service
    ) -> None:
        """NUM-4: on a hunt group every number is charged."""
        held = bought(account, "+12125550101", dana)
        assert "Move (212) 555-0101" in text(client.get(page("number-assign", held.pk)))
        client.post(page("number-assign", held.pk), {"to": to(ring)})
        held = fresh(held)
        charge = running(held)
        assert (held.service, held.end_user) == (ring, None)
        assert charge is not None
        assert str(charge.billing_starts_on) == "2026-03-02"

    def test_offers_who_can_have_it(
        self, client: Client, account: Account, number: Number, dana: EndUser, lobby: Service
    ) -> None:
        """NUM-8: of the end users those with a UC licence; a search narrows, the choice stays."""
        factories.EndUserFactory(account=account, name="Nora Licenceless")
        licensed(account, "Miguel Ortiz")
        address = page("number-assign", number.pk)
        assert offered(client, address) == ["Dana Whitfield", "Miguel Ortiz", "Lobby"]
        assert offered(client, address, q="ortiz") == ["Miguel Ortiz"]
        assert offered(client, address, q="1001") == ["Dana Whitfield"]
        assert offered(client, address, q="ortiz", to=to(dana)) == ["Dana Whitfield", "Miguel Ortiz"]
        assert "Nothing fits" in text(client.get(address, {"q": "zzz"}))

    def test_offers_everybody_but_the_holder(
        self, client: Client, account: Account, dana: EndUser, lobby: Service
    ) -> None:
        held = bought(account, "+12125550101", dana)
        assert offered(client, page("number-assign", held.pk)) == ["Lobby"]

    def test_says_how_to_begin(self, client: Client, number: Number) -> None:
        seen = text(client.get(page("number-assign", number.pk)))
        assert "Nothing to choose from" in seen
        assert page("service-add") in seen

    @pytest.mark.parametrize("count", [1, 60])
    def test_asks_no_more_for_more_people(
        self, client: Client, account: Account, number: Number, count: int, opens_cheaply: OpensCheaply
    ) -> None:
        for place in range(count):
            licensed(account, f"Person {place:02d}")
        response = opens_cheaply(client, page("number-assign", number.pk))
        assert ("There are more than these" in text(response)) is (count == 60)

    def test_says_what_it_costs(
        self,
        client: Client,
        account: Account,
        number: Number,
        dana: EndUser,
        ring: Service,
        everything: Snapshot,
    ) -> None:
        """BIL-3, NUM-3: included, or additional from today, and looking changes nothing."""
        before = everything()
        address = page("number-assign", number.pk)
        box = client.get(address, {"to": to(dana)}).context["chooser"].cost.box
        assert [(line["label"], str(line["amount"])) for line in box["lines"]] == [("Included", "0.00")]
        box = client.get(address, {"to": to(ring)}).context["chooser"].cost.box
        assert (str(box["monthly"]), str(box["begins_on"])) == ("2.50", "2026-03-02")
        # 8 of 28 days up to the BDOM, March 10, and the month ahead.
        assert str(box["next_then"] - box["next_now"]) == "3.21"
        assert everything() == before

    def test_says_that_a_charge_goes_on(
        self, client: Client, account: Account, dana: EndUser, ring: Service
    ) -> None:
        """NUM-7: an additional number that stays one is not credited and charged again."""
        bought(account, "+12125550101", dana)
        held = bought(account, "+12125550102", dana)
        box = client.get(page("number-assign", held.pk), {"to": to(ring)}).context["chooser"].cost.box
        assert [line["label"] for line in box["lines"]] == ["Goes on being billed"]
        assert box["next_now"] == box["next_then"]

    def test_shows_the_cost_without_script(
        self, client: Client, number: Number, dana: EndUser, everything: Snapshot
    ) -> None:
        before = everything()
        response = client.post(page("number-assign", number.pk), {"to": to(dana), "preview": "1"})
        assert "the first number of Dana Whitfield" in text(response)
        assert f'value="{to(dana)}" checked' in text(response)
        assert everything() == before

    @pytest.mark.parametrize(
        ("sent", "words"),
        [
            ("", "Choose who gets the number."),
            ("end-user:99999", "Choose somebody of the list."),
            ("end-user:x", "Choose somebody of the list."),
            ("nobody", "Choose somebody of the list."),
            ("service:" + "9" * 30, "Choose somebody of the list."),
        ],
    )
    def test_says_what_is_wrong(
        self, client: Client, number: Number, dana: EndUser, everything: Snapshot, sent: str, words: str
    ) -> None:
        before = everything()
        response = client.post(page("number-assign", number.pk), {"to": sent})
        assert response.status_code == 200
        assert response.context["form"].errors["to"] == [words]
        assert everything() == before

    def test_refuses_without_a_licence(
        self, client: Client, account: Account, number: Number, dana: EndUser, everything: Snapshot
    ) -> None:
        """NUM-8: the refusal stands by the choice, with the rule, and the choice stays."""
        nora = factories.EndUserFactory(account=account, name="Nora Licenceless")
        before = everything()
        response = client.post(page("number-assign", number.pk), {"to": to(nora)})
        assert "has no UC licence" in str(response.context["form"].errors["to"])
        assert "#NUM-8" in text(response)
        assert f'value="{to(nora)}" checked' in text(response)
        assert everything() == before

    def test_gives_nothing_to_others(
        self, client: Client, number: Number, elsewhere: Account, dana: EndUser, everything: Snapshot
    ) -> None:
        """ACC-4: another account's end user is not to be chosen, and not named."""
        theirs = licensed(elsewhere, "Thea Theirs")
        before = everything()
        response = client.post(page("number-assign", number.pk), {"to": to(theirs)})
        assert response.context["form"].errors["to"] == ["Choose somebody of the list."]
        assert "Thea" not in text(response)
        assert everything() == before

    def test_takes_nothing_from_others(
        self, client: Client, elsewhere: Account, dana: EndUser, everything: Snapshot
    ) -> None:
        """ACC-4."""
        theirs = bought(elsewhere, "+12125550199")
        before = everything()
        assert client.post(page("number-assign", theirs.pk), {"to": to(dana)}).status_code == 404
        assert everything() == before

    def test_is_not_for_readers(
        self, reader: Client, number: Number, dana: EndUser, everything: Snapshot
    ) -> None:
        """ACC-4."""
        before = everything()
        assert reader.post(page("number-assign", number.pk), {"to": to(dana)}).status_code == 403
        assert everything() == before

    def test_says_that_it_was_released_meanwhile(self, client: Client, number: Number, dana: EndUser) -> None:
        """NUM-2: two at once, and the second is told."""
        release_number(number, actor=TESTS, at=AT)
        response = client.post(page("number-assign", number.pk), {"to": to(dana)})
        assert "was released" in str(response.context["form"].non_field_errors())


class TestAssignTo:
    def address(self, holder: EndUser | Service) -> str:
        return page("number-assign-to") + f"?to={to(holder)}"

    def test_offers_parked_numbers(
        self, client: Client, account: Account, number: Number, dana: EndUser, lobby: Service
    ) -> None:
        bought(account, "+13125550102", lobby)
        bought(account, "+14155550103")
        assert offered(client, self.address(dana)) == ["(212) 555-0100", "(415) 555-0103"]
        assert offered(client, page("number-assign-to"), to=to(dana), q="415") == ["(415) 555-0103"]

    def test_assigns(self, client: Client, number: Number, dana: EndUser) -> None:
        """NUM-2."""
        sent = {"to": to(dana), "number": str(number.pk)}
        response = client.post(page("number-assign-to"), sent)
        assert response.headers["Location"].endswith(f"/users/{dana.pk}/")
        assert Number.objects.get(pk=number.pk).end_user == dana

    def test_says_what_it_costs(self, client: Client, number: Number, ring: Service) -> None:
        """NUM-4."""
        response = client.get(page("number-assign-to"), {"to": to(ring), "number": str(number.pk)})
        assert str(response.context["chooser"].cost.box["monthly"]) == "2.50"

    def test_says_how_to_begin(self, client: Client, dana: EndUser) -> None:
        assert page("number-add") in text(client.get(self.address(dana)))

    @pytest.mark.parametrize("sent", ["", "x", "0", "9" * 30])
    def test_says_what_is_wrong(
        self, client: Client, number: Number, dana: EndUser, everything: Snapshot, sent: str
    ) -> None:
        before = everything()
        response = client.post(page("number-assign-to"), {"to": to(dana), "number": sent})
        assert response.status_code == 200
        assert response.context["form"].errors["number"]
        assert everything() == before

    def test_knows_no_numbers_of_others(
        self, client: Client, elsewhere: Account, number: Number, dana: EndUser, everything: Snapshot
    ) -> None:
        """ACC-4."""
        theirs = bought(elsewhere, "+12125550199")
        before = everything()
        response = client.post(page("number-assign-to"), {"to": to(dana), "number": str(theirs.pk)})
        assert response.context["form"].errors["number"] == ["Choose a number of the list."]
        assert everything() == before

    def test_knows_no_holders_of_others(self, client: Client, elsewhere: Account, number: Number) -> None:
        """ACC-4."""
        theirs = licensed(elsewhere, "Thea Theirs")
        assert client.get(self.address(theirs)).status_code == 404
        assert client.get(page("number-assign-to")).status_code == 404

    @pytest.mark.parametrize("count", [1, 60])
    def test_asks_no_more_for_more_numbers(
        self, client: Client, account: Account, dana: EndUser, count: int, opens_cheaply: OpensCheaply
    ) -> None:
        for place in range(count):
            bought(account, f"+1212556{place:04d}")
        opens_cheaply(client, self.address(dana))
