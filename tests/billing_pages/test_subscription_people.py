"""SUB-8: who is on a subscription, and moving all of them to another one."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry, EndUser, Role
from billing.licences import assign_licence
from billing.models import LicenceAssignment, Product, Subscription
from billing.subscriptions import end_subscription
from tests import factories
from tests.billing.subscribed import PRO, subscribe
from tests.billing_pages.conftest import TODAY
from tests.factories import AT, TESTS

OpensCheaply = Callable[[Client, str], HttpResponseBase]

UC = "uc-licence"
END = TODAY + timedelta(days=20)
NEXT_YEAR = TODAY + timedelta(days=365)


@pytest.fixture
def ending(account: Account) -> Subscription:
    """A subscription that ends in twenty days, with Ann (two licences), and Bob, who is an admin."""
    found = subscribe(account, "Ending", TODAY, END, {PRO: 2, UC: 1})
    ann = factories.EndUserFactory(account=account, name="Ann", email="ann@acme.example", department="Sales")
    bob = factories.EndUserFactory(account=account, name="Bob", email="bob@acme.example")
    factories.member(account, Role.ADMIN, email="bob@acme.example")
    for end_user, code in ((ann, PRO), (ann, UC), (bob, PRO)):
        assign_licence(end_user, Product.objects.get(pk=code), subscription=found, actor=TESTS, at=AT)
    return found


@pytest.fixture
def roomy(account: Account) -> Subscription:
    return subscribe(account, "Roomy", TODAY, NEXT_YEAR, {PRO: 5, UC: 5})


def page_of(subscription: Subscription) -> str:
    return f"/a/acme/subscriptions/{subscription.pk}/people/"


def listed(client: Client, address: str) -> list[tuple[str, str]]:
    return [(row.end_user.name, row.product_id) for row in client.get(address).context["page"].rows]


def on(subscription: Subscription) -> int:
    return LicenceAssignment.objects.filter(subscription=subscription, unassigned_on=None).count()


def test_lists_who_is_on_it(ending: Subscription, owner_client: Client) -> None:
    page = page_of(ending)
    assert sorted(listed(owner_client, page)) == [("Ann", PRO), ("Ann", UC), ("Bob", PRO)]
    assert listed(owner_client, f"{page}?q=sales&licence={UC}") == [("Ann", UC)]
    assert listed(owner_client, f"{page}?q=nobody") == []
    assert listed(owner_client, f"{page}?sort=licence")[0] == ("Ann", UC)
    shown = " ".join(owner_client.get(page).content.decode().split())
    assert "They have access until" in shown
    assert shown.count("Administrator</span>") == 1
    rows = b"".join(owner_client.get(page.replace("/people/", "/people.csv"))).decode().splitlines()
    assert rows[0] == "name,e-mail,department,licence,since,administrator"
    assert "Bob,bob@acme.example,,Contact Center Pro licence,2026-03-02,yes" in rows
    assert len(rows) == 4


@pytest.mark.parametrize("has_ended", [False, True])
def test_moves_everybody_in_one_action(
    ending: Subscription, roomy: Subscription, owner_client: Client, has_ended: bool
) -> None:
    """SUB-8: before the end and after it."""
    if has_ended:
        end_subscription(ending, actor=TESTS, at=AT)
        assert "They have had no access since" in owner_client.get(page_of(ending)).content.decode()
    answer = owner_client.post(page_of(ending), {"target": str(roomy.pk)}, follow=True)
    assert answer.redirect_chain == [(page_of(ending), 302)]
    assert "Moved 3 licences to subscription Roomy." in answer.content.decode()
    assert "Nobody is on this subscription" in answer.content.decode()
    assert (on(ending), on(roomy)) == (0, 3)
    assert AuditEntry.objects.filter(action="move-licence", user__isnull=False).count() == 3


def test_says_what_is_free_and_what_is_missing_where(
    ending: Subscription, roomy: Subscription, account: Account, owner_client: Client
) -> None:
    """LIC-1: those with room come first, and where too few are free the way to buy what is missing."""
    small = subscribe(account, "Small", TODAY, NEXT_YEAR, {PRO: 1})
    over = subscribe(account, "Over", TODAY, NEXT_YEAR, {PRO: 9})
    end_subscription(over, actor=TESTS, at=AT)
    targets = owner_client.get(page_of(ending)).context["targets"]
    assert [(one.subscription.name, one.is_open, list(one.free)) for one in targets] == [
        ("Roomy", True, ["1 × UC licence needed, 5 free", "2 × Contact Center Pro licence needed, 5 free"]),
        ("Small", False, ["1 × UC licence needed, 0 free", "2 × Contact Center Pro licence needed, 1 free"]),
    ]
    buy = f"/a/acme/subscriptions/{small.pk}/buy/?product={PRO}&quantity=1"
    assert [one.url for one in targets[1].missing][1] == buy
    assert owner_client.get(buy).status_code == 200


def test_too_few_free_is_refused_and_nobody_moved(
    ending: Subscription, account: Account, owner_client: Client
) -> None:
    small = subscribe(account, "Small", TODAY, NEXT_YEAR, {PRO: 1})
    answer = owner_client.post(page_of(ending), {"target": str(small.pk)})
    assert answer.status_code == 400
    assert "1 × UC licence and 1 × Contact Center Pro licence are missing" in answer.content.decode()
    assert on(ending) == 3


@pytest.mark.parametrize("target", ["", "nonsense", "0", "itself", "theirs"])
def test_what_is_no_target_is_refused(
    ending: Subscription, roomy: Subscription, other: Account, owner_client: Client, target: str
) -> None:
    """ACC-4: another account's is none."""
    theirs = subscribe(other, "Theirs", TODAY, NEXT_YEAR, {PRO: 5, UC: 5})
    chosen = {"itself": str(ending.pk), "theirs": str(theirs.pk)}.get(target, target)
    assert owner_client.post(page_of(ending), {"target": chosen}).status_code == 400
    assert on(ending) == 3
    assert owner_client.get(page_of(theirs)).status_code == 404
    assert owner_client.post(page_of(theirs), {"target": str(roomy.pk)}).status_code == 404


def test_one_that_is_to_come_says_from_when_there_is_access(
    ending: Subscription, account: Account, owner_client: Client
) -> None:
    later = subscribe(account, "Later", TODAY + timedelta(days=9), NEXT_YEAR, {PRO: 2, UC: 1})
    answer = owner_client.post(page_of(ending), {"target": str(later.pk)}, follow=True)
    assert "It begins on 2026-03-11: until then they give no access." in answer.content.decode()


def test_readers_look_and_do_not_move(
    ending: Subscription, roomy: Subscription, role_client: Callable[[Role], Client]
) -> None:
    reader = role_client(Role.READ_ONLY)
    assert "Move everybody" not in reader.get(page_of(ending)).content.decode()
    assert reader.post(page_of(ending), {"target": str(roomy.pk)}).status_code == 403
    assert on(ending) == 3


def test_many_open_cheaply(
    ending: Subscription,
    roomy: Subscription,
    account: Account,
    owner_client: Client,
    opens_cheaply: OpensCheaply,
) -> None:
    people = EndUser.objects.bulk_create(
        EndUser(account=account, name=f"P{place}", added_on=TODAY) for place in range(200)
    )
    LicenceAssignment.objects.bulk_create(
        LicenceAssignment(
            account=account, end_user=one, product_id=PRO, subscription=ending, assigned_on=TODAY
        )
        for one in people
    )
    opens_cheaply(owner_client, page_of(ending))
    answer = owner_client.get(page_of(ending))
    assert (answer.context["units"], len(answer.context["page"].rows)) == (203, 50)
    assert "No other subscription has all of these free" in answer.content.decode()
