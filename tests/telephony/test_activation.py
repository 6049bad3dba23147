"""Activation: once, for good, by the onboarding team or by age, with warnings and mail (ONB-7 to ONB-10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from django_fsm import FSMField, TransitionNotAllowed

from accounts.models import Account, AuditEntry, Brand, OutgoingMail, Role, User
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.licences import add_licences
from billing.models import Charge, ChargeState, Condition, Product
from billing.preview import cost_of
from billing.triggers import begin_due_charges
from telephony.contact_center import activate, install, request_activation
from telephony.deadlines import WARNINGS, warn_due
from telephony.models import ContactCenter, Edition, OnboardingState
from telephony.onboarding import activates_on
from tests import factories
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot

LICENCE = "cc-pro-licence"
FEE = "cc-activation-fee"


@pytest.fixture
def center(account: Account, owner: User) -> ContactCenter:
    """Pro, installed on March 2, with one licence; nothing of its mail is left."""
    installed = install(account, Edition.PRO, actor=TESTS, at=AT)
    add_licences(account, Product.objects.get(pk=LICENCE), 1, actor=TESTS, at=AT)
    OutgoingMail.objects.all().delete()
    return installed


@pytest.fixture
def team(db: None) -> Actor:
    return Actor(user=factories.staff(ONBOARDING, email="olga@provider.example"))


@pytest.fixture
def set_age(account: Account) -> Callable[..., None]:
    """``set_age(60)`` is the brand's policy from the day of the installation, or from a day that is given."""

    def decide(days: int | None, since: date | None = None) -> None:
        since = since or AT.date()
        Brand.objects.filter(pk=account.brand.pk).update(
            auto_activate_after_days=days, auto_activate_from=since
        )

    return decide


def fresh(center: ContactCenter) -> ContactCenter:
    return ContactCenter.objects.select_related("account__brand").get(pk=center.pk)


def after(days: int, *, hour: int = 15) -> datetime:
    """So many days after the installation, at 15:00 UTC."""
    return AT.replace(hour=hour) + timedelta(days=days)


def written(kind: str) -> list[str]:
    return list(OutgoingMail.objects.filter(kind=kind).order_by("pk").values_list("to", flat=True))


# Who, and once


@pytest.mark.parametrize("who", [FINANCE, SUPPORT, *Role, "demoted"])
def test_nobody_but_the_team_activates(
    account: Account, center: ContactCenter, who: str, everything: Snapshot
) -> None:
    """ONB-7: whatever the way in, the action itself refuses."""
    if who in set(Role):
        user = factories.member(account, Role(who))
    else:
        user = factories.staff(ONBOARDING if who == "demoted" else who)
    if who == "demoted":
        User.objects.filter(pk=user.pk).update(is_staff=False)
        user = User.objects.get(pk=user.pk)
    before = everything()
    with pytest.raises(Refused, match="Only the onboarding team") as refused:
        activate(center, reason="Please", actor=Actor(user=user), at=AT)
    assert refused.value.rule == "ONB-7"
    assert everything() == before


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_asks_for_a_reason(center: ContactCenter, team: Actor, reason: str, everything: Snapshot) -> None:
    before = everything()
    with pytest.raises(Refused, match="Say why") as refused:
        activate(center, reason=reason, actor=team, at=AT)
    assert refused.value.field == "reason"
    assert everything() == before


def test_second_activation_is_refused(center: ContactCenter, team: Actor, everything: Snapshot) -> None:
    """ONB-8: whoever holds an old copy of it, too."""
    activate(center, reason="Ready", actor=team, at=AT)
    before = everything()
    for held in (center, fresh(center)):
        with pytest.raises(Refused, match="is active already, since March 2, 2026") as refused:
            activate(held, reason="Again", actor=team, at=after(1))
        assert refused.value.rule == "ONB-8"
    assert everything() == before


def test_begins_what_waited_that_day_and_each_fee_once(
    account: Account, center: ContactCenter, team: Actor
) -> None:
    """ONB-10."""
    activate(center, reason="Ready", actor=team, at=after(20))
    started = Charge.objects.filter(account=account).values_list("product", "billing_starts_on", "quantity")
    assert set(started) == {(LICENCE, date(2026, 3, 22), 1), (FEE, date(2026, 3, 22), 1)}


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "onboarding", "activated_on": None},
        {"state": "onboarding"},
        {"activated_on": date(2026, 1, 1)},
        {"activated_on": None},
    ],
)
def test_database_refuses_the_way_back(
    center: ContactCenter, team: Actor, changes: dict[str, object]
) -> None:
    """ONB-8: on both databases, past every model and form."""
    activate(center, reason="Ready", actor=team, at=AT)
    with pytest.raises(DatabaseError), transaction.atomic():
        ContactCenter.objects.filter(pk=center.pk).update(**changes)
    assert (fresh(center).state, fresh(center).activated_on) == ("active", date(2026, 3, 2))


def test_model_refuses_the_way_back(center: ContactCenter, team: Actor) -> None:
    """ONB-8: the state is not set by hand, there is no transition back, and none twice."""
    active = activate(center, reason="Ready", actor=team, at=AT)
    with pytest.raises(AttributeError):
        active.state = OnboardingState.ONBOARDING
    with pytest.raises(TransitionNotAllowed):
        active.activate(AT.date(), AT, "x", "x")
    field = ContactCenter._meta.get_field("state")
    assert isinstance(field, FSMField)
    assert {(move.source, move.target) for move in field.get_all_transitions(ContactCenter)} == {
        (OnboardingState.ONBOARDING, OnboardingState.ACTIVE)
    }


# By age


def test_nothing_goes_live_by_itself_unless_the_brand_says_so(center: ContactCenter) -> None:
    """ONB-9: off by default."""
    begin_due_charges(after(400))
    assert fresh(center).is_onboarding
    assert warn_due(after(400)) == 0


def test_goes_live_at_the_age_and_the_trail_names_the_rule(
    account: Account, center: ContactCenter, set_age: Callable[..., None]
) -> None:
    """ONB-9, ACC-5."""
    set_age(60)
    begin_due_charges(after(59))
    assert fresh(center).is_onboarding
    begin_due_charges(after(60))
    active = fresh(center)
    assert (active.state, active.activated_on, active.activation_rule) == (
        "active",
        date(2026, 5, 1),
        "ONB-9",
    )
    assert active.activated_by == "auto-activation"
    entry = AuditEntry.objects.get(action="activate-contact-center")
    assert (entry.account, entry.is_task, entry.by, entry.after["rule"]) == (
        account,
        True,
        "auto-activation",
        "ONB-9",
    )
    assert "by rule ONB-9: 60 days in onboarding" in entry.summary
    begin_due_charges(after(61))
    assert AuditEntry.objects.filter(action="activate-contact-center").count() == 1


def test_goes_live_with_the_account_s_own_midnight(
    center: ContactCenter, set_age: Callable[..., None]
) -> None:
    """In New York the day begins at four in the morning, UTC."""
    set_age(60)
    begin_due_charges(datetime(2026, 5, 1, 3, 59, tzinfo=UTC))
    assert fresh(center).is_onboarding
    begin_due_charges(datetime(2026, 5, 1, 4, 0, tzinfo=UTC))
    assert not fresh(center).is_onboarding


def test_catches_up_with_the_day_that_was_due(
    account: Account, center: ContactCenter, set_age: Callable[..., None]
) -> None:
    """BIL-8, ONB-9: however late, it is live since its own day, and its charges are billed from it."""
    set_age(60)
    begin_due_charges(after(95))
    assert fresh(center).activated_on == date(2026, 5, 1)
    begun = Charge.objects.filter(account=account, product=LICENCE)
    assert [(row.billing_starts_on, row.state) for row in begun] == [(date(2026, 5, 1), ChargeState.BILLING)]
    assert Condition.objects.get(account=account, key="contact-center-active").met_on == date(2026, 5, 1)


def test_goes_live_for_no_day_before_the_decision(
    center: ContactCenter, set_age: Callable[..., None]
) -> None:
    """ONB-9: what is older already goes live on the day of the decision, not on days that are past."""
    set_age(10, since=date(2026, 3, 20))
    begin_due_charges(after(17))
    assert fresh(center).is_onboarding
    begin_due_charges(after(18))
    assert fresh(center).activated_on == date(2026, 3, 20)


def test_an_action_after_the_day_finds_it_live(
    account: Account, center: ContactCenter, set_age: Callable[..., None]
) -> None:
    """BIL-8: no tick has come yet, and a third licence goes through all the same (ONB-3)."""
    set_age(60)
    add_licences(account, Product.objects.get(pk=LICENCE), 5, actor=TESTS, at=after(60))
    assert fresh(center).activated_on == date(2026, 5, 1)


def test_other_brands_are_left_alone(center: ContactCenter, set_age: Callable[..., None]) -> None:
    other = install(factories.AccountFactory(), Edition.ELITE, actor=TESTS, at=AT)
    set_age(60)
    begin_due_charges(after(60))
    assert not fresh(center).is_onboarding
    assert fresh(other).is_onboarding


# Warnings


def test_warns_14_7_and_1_days_before_each_once(
    account: Account, center: ContactCenter, set_age: Callable[..., None]
) -> None:
    """ONB-9: hour by hour over the whole time, there are three, each on its day."""
    set_age(60)
    for day in range(60):
        for hour in (12, 15, 20):
            warn_due(after(day, hour=hour))
    entries = AuditEntry.objects.filter(action="warn-of-activation").order_by("id")
    assert [(entry.at.date(), entry.after["days_left"]) for entry in entries] == [
        (date(2026, 4, 17), 14),
        (date(2026, 4, 24), 7),
        (date(2026, 4, 30), 1),
    ]
    assert {(entry.account, entry.by, entry.is_task) for entry in entries} == {
        (account, "activation-warnings", True)
    }
    assert "goes live by itself on May 1, 2026, in 14 days (ONB-9)" in entries[0].summary
    mails = OutgoingMail.objects.filter(kind="activation-warning").order_by("pk")
    assert [mail.subject for mail in mails] == [
        f"Contact Center Pro goes live by itself in {words}" for words in ("14 days", "7 days", "1 day")
    ]
    assert all("On May 1, 2026 it goes live by itself." in mail.text for mail in mails)


@pytest.mark.parametrize(
    ("day", "left"),
    [(45, None), (46, 14), (50, 10), (52, 8), (53, 7), (55, 5), (58, 2), (59, 1), (60, None), (70, None)],
)
def test_of_missed_warnings_only_the_nearest_goes_out(
    center: ContactCenter, set_age: Callable[..., None], day: int, left: int | None
) -> None:
    """With the days that are left in truth; none on the day itself or after it."""
    set_age(60)
    for _ in range(2):
        warn_due(after(day))
    said = [entry.after["days_left"] for entry in AuditEntry.objects.filter(action="warn-of-activation")]
    assert said == ([] if left is None else [left])


def test_warns_anew_when_the_day_has_moved(center: ContactCenter, set_age: Callable[..., None]) -> None:
    """The brand gives more time: the earlier warnings were for another day."""
    set_age(60)
    assert warn_due(after(53)) == 1
    set_age(90)
    assert warn_due(after(54)) == 0
    assert [day for day in range(55, 90) if warn_due(after(day))] == [90 - days for days in WARNINGS]


def test_what_is_live_is_not_warned(center: ContactCenter, team: Actor, set_age: Callable[..., None]) -> None:
    set_age(60)
    activate(center, reason="Ready", actor=team, at=after(10))
    assert warn_due(after(50)) == 0


def test_simulated_accounts_are_not_warned(center: ContactCenter, set_age: Callable[..., None]) -> None:
    set_age(60)
    Account.objects.update(is_simulation=True)
    assert warn_due(after(50)) == 0


def test_says_when_it_goes_live(center: ContactCenter, set_age: Callable[..., None]) -> None:
    assert activates_on(fresh(center)) is None
    set_age(60)
    assert activates_on(fresh(center)) == date(2026, 5, 1)


# Mail


def test_installation_is_told_to_owners_and_admins(account: Account, owner: User) -> None:
    admin = factories.member(account, Role.ADMIN)
    for role in (Role.BILLING, Role.READ_ONLY):
        factories.member(account, role)
    install(account, Edition.PRO, actor=TESTS, at=AT)
    assert written("contact-center-installed") == [owner.email, admin.email]
    told = OutgoingMail.objects.all()[0]
    assert told.subject == "Contact Center Pro is installed, and in onboarding"
    assert "up to 2 concurrent-user licences" in told.text
    assert "cannot be upgraded" in told.text
    assert "/a/northwind/contact-center/" in told.text


def test_installation_says_what_the_brand_allows(account: Account, owner: User) -> None:
    """ONB-5, ONB-9: by the brand's own policies."""
    Brand.objects.update(toll_free_upgrade_in_onboarding=True, auto_activate_after_days=60)
    install(Account.objects.get(pk=account.pk), Edition.PRO, actor=TESTS, at=AT)
    told = OutgoingMail.objects.get().text
    assert "cannot be upgraded" not in told
    assert "goes live by itself on May 1, 2026" in told


def test_express_is_told_to_be_active(account: Account, owner: User) -> None:
    """ONB-1: one message, not two."""
    install(account, Edition.EXPRESS, actor=TESTS, at=AT)
    told = OutgoingMail.objects.get()
    assert told.subject == "Contact Center Express is installed, and active"
    assert "active from today" in told.text


def test_request_goes_to_the_team_and_is_confirmed(
    account: Account, center: ContactCenter, owner: User
) -> None:
    """ONB-7: once, though the button is pressed twice; to the team in English, to the asker in the account's."""
    Account.objects.update(language="nl")
    for _ in range(2):
        request_activation(fresh(center), actor=Actor(user=owner), at=after(3))
    assert written("activation-requested") == ["onboarding@brand.example"]
    assert written("activation-request-received") == [owner.email]
    team = OutgoingMail.objects.get(kind="activation-requested")
    assert team.subject == "Northwind asks to go live with Contact Center Pro"
    assert owner.email in team.text
    assert "after 3 days in onboarding" in team.text
    assert "- Assign phone numbers" in team.text
    assert f"/admin/telephony/contactcenter/{center.pk}/activate/" in team.text
    assert OutgoingMail.objects.get(kind="activation-request-received").language == "nl"


def test_activation_is_told(center: ContactCenter, team: Actor, owner: User) -> None:
    activate(center, reason="Ready", actor=team, at=after(5))
    assert written("contact-center-activated") == [owner.email]
    told = OutgoingMail.objects.get().text
    assert "live since March 7, 2026." in told
    assert "/a/northwind/billing/next/" in told


def test_automatic_activation_is_told_as_such(
    center: ContactCenter, owner: User, set_age: Callable[..., None]
) -> None:
    set_age(60)
    begin_due_charges(after(60))
    assert "it went live by itself" in OutgoingMail.objects.get(kind="contact-center-activated").text


def test_pricing_an_activation_tells_nobody(account: Account, center: ContactCenter, team: Actor) -> None:
    """What is done to know its cost is taken back with its mail."""
    cost_of(account, lambda: activate(center, reason="Priced", actor=team, at=AT))
    assert not OutgoingMail.objects.exists()
    assert fresh(center).is_onboarding


def test_simulated_accounts_send_no_mail(account: Account, owner: User, team: Actor) -> None:
    Account.objects.update(is_simulation=True)
    found = Account.objects.get(pk=account.pk)
    activate(install(found, Edition.PRO, actor=TESTS, at=AT), reason="Ready", actor=team, at=AT)
    assert not OutgoingMail.objects.exists()
