"""ONB-1 to ONB-10: what can be done with a contact center, by whom, and that what is refused leaves no trace."""

import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django_fsm import TransitionNotAllowed

from accounts.end_users import add_end_user
from accounts.models import Account, AuditEntry, User
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import open_ledger
from billing.licences import add_licences, assign_licence, holdings, remove_licences
from billing.models import BillingSchedule, Charge, ChargeState, Condition, LicenceAssignment, Limit, Product
from billing.triggers import begin_due_charges
from telephony import contact_center as actions
from telephony import finality
from telephony.models import ContactCenter, Edition, OnboardingState, Service
from telephony.numbers import add_number, assign_number
from telephony.onboarding import activates_on, steps, with_progress
from telephony.services import remove_service
from tests.billing.crowd import crowd
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, charges_of, lines_to_come, on, price, product, trail_of
from tests.factories import BrandFactory, member, staff

pytestmark = pytest.mark.django_db

PRO, ELITE, EXPRESS, FEE = "cc-pro-licence", "cc-elite-licence", "cc-express-licence", "cc-activation-fee"
CHAT = "cc-channel-chat"


@pytest.fixture(autouse=True)
def _prices(db: None) -> None:
    for code, amount in ((PRO, "62.00"), (ELITE, "93.00"), (FEE, "50.00"), (CHAT, "15.50")):
        price(code, amount)


@pytest.fixture
def account() -> Account:
    return an_account()


@pytest.fixture
def pro(account: Account) -> ContactCenter:
    """In onboarding since January 5."""
    return actions.install(account, Edition.PRO, **on(account, "01-05"))


@pytest.fixture
def no_trace(account: Account) -> Iterator[None]:
    """Whatever the test does after it asked for this, nothing of the account changes."""
    before = everything(account)
    yield
    assert everything(account) == before


def everything(account: Account) -> list[object]:
    """All that an action could have changed."""
    models = (
        ContactCenter,
        Charge,
        Condition,
        Limit,
        Service,
        LicenceAssignment,
        BillingSchedule,
        AuditEntry,
    )
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def fresh(contact_center: ContactCenter) -> ContactCenter:
    return ContactCenter.objects.get(pk=contact_center.pk)


def go_live(contact_center: ContactCenter, text: str = "01-20", **more: Any) -> ContactCenter:
    by = on(contact_center.account, text) | more
    return actions.activate(contact_center, reason="Tested", **by)


# --- ONB-1 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edition", "state", "limits"),
    [(Edition.PRO, "onboarding", 1), (Edition.ELITE, "onboarding", 1), (Edition.EXPRESS, "active", 0)],
)
def test_what_is_installed_is_in_onboarding_at_once(
    account: Account, edition: Edition, state: str, limits: int
) -> None:
    """ONB-1: but Express, which is active and without limit."""
    installed = fresh(actions.install(account, edition, **on(account, "01-05")))
    assert (installed.state, installed.edition) == (state, edition)
    assert installed.installed_on == day("01-05")
    assert installed.activated_on == (day("01-05") if edition == Edition.EXPRESS else None)
    assert Limit.objects.filter(account=account).count() == limits
    assert trail_of(account)[-1] == "install-contact-center"


def test_there_is_one_contact_center(pro: ContactCenter, no_trace: None) -> None:
    """ONB-1."""
    for edition in Edition:
        with pytest.raises(Refused, match="installed in this account already") as refused:
            actions.install(pro.account, edition, **on(pro.account, "01-06"))
        assert refused.value.field == "edition"


def test_it_is_not_removed_as_a_service(pro: ContactCenter, no_trace: None) -> None:
    """ONB-8: removing and installing again would be a way back."""
    with pytest.raises(Refused, match="cannot be removed"):
        remove_service(pro.service, **on(pro.account, "01-06"))


def test_who_installs_may_have_a_long_name(account: Account) -> None:
    """ONB-1: Express keeps who installed it as who activated it."""
    owner = member(account, full_name="N" * 120)
    actions.install(account, Edition.EXPRESS, **on(account, "01-05") | {"actor": Actor(user=owner)})
    assert len(ContactCenter.objects.get().activated_by) <= 120


# --- ONB-3 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [{}, {PRO: 1}, {PRO: 1, ELITE: 1}, {EXPRESS: 2}])
def test_at_most_two_licences_of_all_editions(pro: ContactCenter, held: dict[str, int]) -> None:
    """ONB-3."""
    account = pro.account
    for code, units in held.items():
        add_licences(account, product(code), units, **on(account, "01-06"))
    room = 2 - sum(held.values())
    before = everything(account)
    for code in (PRO, ELITE, EXPRESS):
        with pytest.raises(Refused, match="at most 2 concurrent-user licences") as refused:
            add_licences(account, product(code), room + 1, **on(account, "01-07"))
        assert (refused.value.rule, refused.value.field) == ("ONB-3", "quantity")
        assert account.brand.onboarding_email in refused.value.message
    assert everything(account) == before
    if room:
        add_licences(account, product(ELITE), room, **on(account, "01-07"))


def test_a_licence_given_back_makes_room_and_activation_takes_the_limit_off(pro: ContactCenter) -> None:
    """ONB-3."""
    account = pro.account
    add_licences(account, product(PRO), 2, **on(account, "01-06"))
    remove_licences(account, product(PRO), 1, **on(account, "01-07"))
    add_licences(account, product(ELITE), 1, **on(account, "01-08"))
    go_live(pro)
    add_licences(account, product(PRO), 500, **on(account, "01-20"))


def test_one_account_in_onboarding_limits_no_other(pro: ContactCenter) -> None:
    """ONB-3."""
    other = an_account(brand=pro.account.brand)
    go_live(actions.install(other, Edition.PRO, **on(other, "01-05")), "01-06")
    add_licences(other, product(PRO), 3, **on(other, "01-07"))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_get_two_licences() -> None:
    """ONB-3: each wants one; two get it, and the others are refused by the rule and not by the database."""
    account = an_account()
    actions.install(account, Edition.PRO, **on(account, "01-05"))

    def buy() -> str:
        add_licences(account, product(PRO), 1, **on(account, "01-06"))
        return "bought"

    answers = crowd(50, buy)
    assert sorted(answers) == ["ONB-3"] * 48 + ["bought"] * 2
    licences = charges_of(account, product=PRO, ended_on=None)
    assert sum(charge.quantity for charge in licences) == 2
    assert sum(charge.quantity for charge in charges_of(account, product=FEE, ended_on=None)) == 2
    assert trail_of(account).count("add-licences") == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_limit_is_lifted_while_fifty_want_a_licence() -> None:
    """ONB-3, ONB-10: what is bought is what was not refused, each with its fee, and all of it is billed."""
    account = an_account()
    contact_center = actions.install(account, Edition.PRO, **on(account, "01-05"))
    turns = iter(range(50))
    lock = threading.Lock()

    def act() -> str:
        with lock:
            turn = next(turns)
        if turn == 20:
            go_live(contact_center, "01-06")
            return "live"
        add_licences(account, product(PRO), 1, **on(account, "01-06"))
        return "bought"

    answers = crowd(50, act)
    bought = answers.count("bought")
    assert (answers.count("live"), answers.count("ONB-3")) == (1, 49 - bought)
    assert bought >= 2
    for code in (PRO, FEE):
        found = charges_of(account, product=code, ended_on=None)
        assert sum(charge.quantity for charge in found) == bought
        assert {charge.state for charge in found} == {ChargeState.BILLING}


# --- ONB-4 -------------------------------------------------------------------------------------


def test_setting_up_has_no_limit(pro: ContactCenter) -> None:
    """ONB-4: more people than licences, any number of items, local and toll-free numbers."""
    account = pro.account
    for place in range(4):
        end_user = add_end_user(account, name=f"Agent {place}", **on(account, "01-06"))
        assign_licence(end_user, product(PRO), **on(account, "01-06"))
    [held] = [holding for holding in holdings(account) if holding.product.pk == PRO]
    assert (held.bought, held.assigned, held.free) == (0, 4, 0)
    for code in ("cc-channel-chat", "cc-addon-wfo", "cc-recording-1000"):
        actions.add_items(account, product(code), 7, **on(account, "01-06"))
    for typed in ("+12125550101", "+18005550101"):
        assign_number(
            add_number(account, typed, **on(account, "01-06")), to=pro.service, **on(account, "01-06")
        )
    assert all(
        charge.billing_starts_on is None for charge in charges_of(account, product__family="contact-center")
    )


def test_after_activation_an_assignment_needs_a_free_licence(pro: ContactCenter) -> None:
    """LIC-1, ONB-4: those that were made stay."""
    account = pro.account
    ann, bob = (add_end_user(account, name=name, **on(account, "01-06")) for name in ("Ann", "Bob"))
    assign_licence(ann, product(PRO), **on(account, "01-06"))
    go_live(pro)
    assign_licence(ann, product(PRO), **on(account, "01-21"))
    with pytest.raises(Refused, match="is free"):
        assign_licence(bob, product(PRO), **on(account, "01-21"))
    add_licences(account, product(PRO), 1, **on(account, "01-21"))
    with pytest.raises(Refused, match="is free"):
        assign_licence(bob, product(PRO), **on(account, "01-21"))
    add_licences(account, product(PRO), 1, **on(account, "01-21"))
    assign_licence(bob, product(PRO), **on(account, "01-21"))


def test_nothing_is_assigned_or_added_without_a_contact_center(account: Account) -> None:
    """ONB-1, ONB-4."""
    ann = add_end_user(account, name="Ann", **on(account, "01-06"))
    before = everything(account)
    for refusal in (
        lambda: assign_licence(ann, product(PRO), **on(account, "01-06")),
        lambda: add_licences(account, product(EXPRESS), 1, **on(account, "01-06")),
        lambda: actions.add_items(account, product(CHAT), 1, **on(account, "01-06")),
        lambda: actions.change_storage(account, product("cc-recording-10"), **on(account, "01-06")),
    ):
        with pytest.raises(Refused, match="installed"):
            refusal()
    assert everything(account) == before


@pytest.mark.parametrize("code", [PRO, FEE, "uc-licence", "toll-free-500"])
def test_what_is_no_item_is_not_added_as_one(pro: ContactCenter, no_trace: None, code: str) -> None:
    """ONB-3, ONB-4: a licence does not get past its limit as an item."""
    for action in (actions.add_items, actions.remove_items):
        with pytest.raises(Refused, match="is not a channel"):
            action(pro.account, product(code), 1, **on(pro.account, "01-06"))


def test_storage_is_one_package_at_a_time(pro: ContactCenter) -> None:
    """ONB-4, BIL-5: upgraded in onboarding for nothing, afterwards with a credit for the days left."""
    account = pro.account
    for code, amount in (("cc-recording-10", "9.30"), ("cc-recording-100", "46.50")):
        price(code, amount)
        actions.change_storage(account, product(code), **on(account, "01-06"))
    go_live(pro, "01-10")
    bill(account, "01-15")
    actions.change_storage(account, product("cc-recording-10"), **on(account, "02-14"))
    actions.change_storage(account, product("cc-recording-10"), **on(account, "02-14"))
    assert lines_to_come(account, "02-15") == [
        "recurring cc-recording-10 1 · 02-14 to 02-15 · 1/31 · 0.30",
        "recurring cc-recording-10 1 · 02-15 to 03-15 · 28/28 · 9.30",
        "credit cc-recording-100 1 · 02-14 to 02-15 · 1/31 · -1.50",
    ]
    with pytest.raises(Refused, match="storage"):
        actions.change_storage(account, product(CHAT), **on(account, "02-14"))


def test_what_is_withdrawn_can_be_given_back(pro: ContactCenter) -> None:
    """What is no longer on sale is not sold, but who has it is not kept to it."""
    account = pro.account
    actions.add_items(account, product(CHAT), 2, **on(account, "01-06"))
    Product.objects.filter(pk=CHAT).update(is_on_sale=False)
    with pytest.raises(Refused, match="not on offer"):
        actions.add_items(account, product(CHAT), 1, **on(account, "01-06"))
    actions.remove_items(account, product(CHAT), 2, **on(account, "01-06"))
    assert not charges_of(account, ended_on=None)


# --- ONB-7, ONB-8 ------------------------------------------------------------------------------


def test_a_customer_asks_and_is_put_in_the_queue_once(pro: ContactCenter) -> None:
    """ONB-7."""
    account = pro.account
    owner = member(account)
    by = on(account, "01-10") | {"actor": Actor(user=owner)}
    actions.request_activation(pro, **by)
    actions.request_activation(pro, **on(account, "01-12"))
    asked = fresh(pro)
    assert (asked.requested_by, asked.requested_at, asked.state) == (owner, by["at"], "onboarding")
    assert trail_of(account).count("request-activation") == 1


def test_only_the_onboarding_team_activates(pro: ContactCenter) -> None:
    """ONB-7: neither a customer, nor a partner who manages the account, nor finance, support or other staff."""
    account = pro.account
    people: list[User] = [
        member(account),
        staff(FINANCE),
        staff(SUPPORT),
        staff(FINANCE, SUPPORT),
        staff(),
    ]
    before = everything(account)
    for person in people:
        with pytest.raises(Refused, match="Only the onboarding team") as refused:
            go_live(pro, actor=Actor(user=person))
        assert refused.value.rule == "ONB-7"
    assert everything(account) == before
    ruth = staff(ONBOARDING)
    assert go_live(pro, actor=Actor(user=ruth)).state == OnboardingState.ACTIVE


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_activation_has_a_reason(pro: ContactCenter, no_trace: None, reason: str) -> None:
    """ONB-7."""
    with pytest.raises(Refused, match="why") as refused:
        actions.activate(pro, reason=reason, **on(pro.account, "01-20"))
    assert refused.value.field == "reason"


def test_activation_is_once_and_for_good(pro: ContactCenter) -> None:
    """ONB-8: no second time, no transition back, nothing to set by hand, nothing to ask for any more."""
    live = go_live(pro)
    before = everything(pro.account)
    for contact_center in (pro, live):
        with pytest.raises(Refused, match="active already, since January 20, 2026"):
            go_live(contact_center, "01-25")
    with pytest.raises(TransitionNotAllowed):
        live.activate(day("01-25"), live.installed_at, "x", "y")
    with pytest.raises(AttributeError):
        live.state = OnboardingState.ONBOARDING
    for action in (actions.request_activation, actions.confirm_test_call):
        with pytest.raises(Refused, match="active already"):
            action(pro, **on(pro.account, "01-25"))
    assert everything(pro.account) == before
    ways = ContactCenter._meta.get_field("state").get_all_transitions(ContactCenter)
    assert [(way.source, way.target) for way in ways] == [("onboarding", "active")]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "onboarding", "activated_on": None},
        {"state": "onboarding"},
        {"activated_on": date(2026, 3, 1)},
    ],
)
def test_the_database_takes_nothing_back(pro: ContactCenter, change: dict[str, Any]) -> None:
    """ONB-8: on either database, whoever writes."""
    go_live(pro)
    rows = ContactCenter.objects.filter(pk=pro.pk)
    with pytest.raises(IntegrityError, match="activation is final"), transaction.atomic():
        rows.update(**change)
    with pytest.raises(IntegrityError, match="activation is final"), transaction.atomic():
        rows._raw_delete("default")
    assert fresh(pro).activated_on == day("01-20")
    # What is not about the activation can be changed.
    assert rows.update(warned_days=7) == 1


def test_the_guard_is_what_holds_it(pro: ContactCenter) -> None:
    """ONB-8: without it the database would let it pass, and put back it holds again."""
    go_live(pro)
    rows = ContactCenter.objects.filter(pk=pro.pk)
    with connection.cursor() as cursor:
        for statement in finality.RELEASES[connection.vendor]:
            cursor.execute(statement)
        assert rows.update(state="onboarding", activated_on=None) == 1
        assert rows.update(state="active", activated_on=day("01-20")) == 1
        for statement in finality.GUARDS[connection.vendor]:
            cursor.execute(statement)
    with pytest.raises(IntegrityError, match="activation is final"), transaction.atomic():
        rows.update(state="onboarding", activated_on=None)


def test_express_is_never_in_onboarding_and_active_has_a_day(account: Account) -> None:
    """ONB-1, ONB-8: constraints of the table."""
    express = actions.install(account, Edition.PRO, **on(account, "01-05"))
    rows = ContactCenter.objects.filter(pk=express.pk)
    for change in ({"edition": "express"}, {"state": "active"}, {"activated_on": date(2026, 1, 6)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)


# --- ONB-9 -------------------------------------------------------------------------------------


def aging(days: int | None, since: date | None = None) -> ContactCenter:
    account = an_account(brand=BrandFactory(auto_activate_after_days=days, auto_activate_from=since))
    return actions.install(account, Edition.PRO, **on(account, "01-05"))


def tick(contact_center: ContactCenter, text: str, at: str = "00:00") -> ContactCenter:
    begin_due_charges(on(contact_center.account, text, at)["at"])
    return fresh(contact_center)


def test_there_is_no_time_limit_unless_the_brand_sets_one() -> None:
    """ONB-9."""
    waiting = aging(None)
    assert activates_on(waiting) is None
    assert tick(waiting, "12-31").is_onboarding


def test_it_goes_live_at_its_age() -> None:
    """ONB-9: not a minute before the account's own day begins, and the trail names task and rule."""
    waiting = aging(20)
    assert activates_on(waiting) == day("01-25")
    assert tick(waiting, "01-24", "23:59").is_onboarding
    live = tick(waiting, "01-25")
    assert (live.state, live.activated_on, live.activation_rule) == ("active", day("01-25"), "ONB-9")
    entry = AuditEntry.objects.get(account=live.account, action="activate-contact-center")
    assert (entry.is_task, entry.by) == (True, "auto-activation")
    assert "ONB-9" in entry.summary
    assert begin_due_charges(on(live.account, "01-25")["at"]) == 0


def test_a_limit_of_days_that_is_set_later_reaches_back_to_no_day_before() -> None:
    """ONB-9, BIL-9: who is older than that goes live on the day it was decided."""
    waiting = aging(20, since=date(2026, 2, 10))
    assert tick(waiting, "02-12").activated_on == date(2026, 2, 10)


def test_it_goes_live_before_what_is_done_on_that_day() -> None:
    """ONB-9, BIL-8: no task has run, but the third licence is bought of an account that is live."""
    waiting = aging(20)
    account = waiting.account
    add_licences(account, product(PRO), 2, **on(account, "01-06"))
    add_licences(account, product(PRO), 1, **on(account, "01-28"))
    assert fresh(waiting).activated_on == day("01-25")
    starts = [charge.billing_starts_on for charge in charges_of(account, product=PRO)]
    assert starts == [day("01-25"), day("01-28")]


def test_one_that_fails_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONB-9: the team activates one in the moment in which the task comes to it."""
    first, second = aging(20), aging(20)
    activate = actions.activate

    def late(contact_center: ContactCenter, *, at: datetime, **more: Any) -> ContactCenter:
        if contact_center.pk == first.pk:
            activate(contact_center, at=at, reason="Quicker", actor=more["actor"], on=more["on"])
        return activate(contact_center, at=at, **more)

    monkeypatch.setattr("telephony.onboarding.activate", late)
    assert begin_due_charges(on(second.account, "01-25")["at"]) == 0
    assert fresh(first).activation_reason == "Quicker"
    assert fresh(second).activation_rule == "ONB-9"


# --- ONB-2, ONB-10 -----------------------------------------------------------------------------


def test_the_checklist_ticks_off_what_is_done(pro: ContactCenter) -> None:
    """ONB-2."""
    account = pro.account

    def done() -> list[str]:
        [found] = with_progress(ContactCenter.objects.filter(pk=pro.pk))
        return [step.key for step in steps(found) if step.is_done]

    assert done() == []
    ann = add_end_user(account, name="Ann", **on(account, "01-06"))
    assign_licence(ann, product(PRO), **on(account, "01-06"))
    assert done() == ["users"]
    assign_number(
        add_number(account, "+12125550101", **on(account, "01-06")), to=pro.service, **on(account, "01-06")
    )
    actions.add_items(account, product(CHAT), 1, **on(account, "01-06"))
    actions.change_storage(account, product("cc-recording-10"), **on(account, "01-06"))
    assert done() == ["users", "numbers", "channels", "recording"]
    actions.set_toll_free_package(account, "pay-per-use", **on(account, "01-06"))
    actions.confirm_test_call(pro, **on(account, "01-06"))
    assert done() == ["users", "numbers", "channels", "recording", "toll-free", "test-call"]
    actions.remove_items(account, product(CHAT), 1, **on(account, "01-07"))
    assert "channels" not in done()


def test_from_the_day_of_activation_all_is_billed_with_a_fee_for_each_licence(pro: ContactCenter) -> None:
    """ONB-6, ONB-10: one fee a licence, none for channels; what went before is never charged."""
    account = pro.account
    add_licences(account, product(PRO), 1, **on(account, "01-06"))
    add_licences(account, product(ELITE), 1, **on(account, "01-07"))
    remove_licences(account, product(PRO), 1, **on(account, "01-08"))
    actions.add_items(account, product(CHAT), 2, **on(account, "01-06"))
    bill(account, "01-15")
    assert lines_to_come(account, "02-15") == []
    go_live(pro, "02-05")
    assert lines_to_come(account, "02-15") == [
        "recurring cc-elite-licence 1 · 02-05 to 02-15 · 10/31 · 30.00",
        "recurring cc-elite-licence 1 · 02-15 to 03-15 · 28/28 · 93.00",
        "recurring cc-channel-chat 2 · 02-05 to 02-15 · 10/31 · 10.00",
        "recurring cc-channel-chat 2 · 02-15 to 03-15 · 28/28 · 31.00",
        "one-time cc-activation-fee 1 · 02-05 · 50.00",
    ]


def test_a_price_that_was_locked_in_onboarding_holds(pro: ContactCenter) -> None:
    """BIL-6, ONB-10: of the licence and of its fee."""
    account = pro.account
    add_licences(account, product(PRO), 1, **on(account, "01-06"))
    price(PRO, "70.00", since="2026-01-10")
    price(FEE, "99.00", since="2026-01-10")
    go_live(pro, "01-14")
    assert lines_to_come(account, "01-15")[1:] == [
        "recurring cc-pro-licence 1 · 01-15 to 02-15 · 31/31 · 62.00",
        "one-time cc-activation-fee 1 · 01-14 · 50.00",
    ]


def test_notes_are_the_teams_own(pro: ContactCenter) -> None:
    """ONB-7."""
    ruth = Actor(user=staff(ONBOARDING))
    by = on(pro.account, "01-06")
    note = actions.write_note(pro, "  Waits for porting. ", actor=ruth, at=by["at"])
    assert note.text == "Waits for porting."
    for actor, text in ((ruth, " "), (Actor(user=member(pro.account)), "x"), (by["actor"], "x")):
        with pytest.raises(Refused):
            actions.write_note(pro, text, actor=actor, at=by["at"] + timedelta(1))
    assert pro.notes.count() == 1


def test_a_ledger_is_moved_inside_one_action(pro: ContactCenter) -> None:
    """ONB-3: an action that holds the ledger and buys in it meets the limit like all others."""
    account = pro.account
    with open_ledger(account, **on(account, "01-06")) as ledger:
        ledger.open(product(PRO), 2)
        with pytest.raises(Refused, match="at most 2"):
            ledger.open(product(ELITE))
