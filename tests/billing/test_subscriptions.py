"""Subscriptions: their terms, one mode and one option for all, the primary, ends and commitments (SUB-1 to SUB-10)."""

import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Account, PartnerAccess, PartnerLevel
from accounts.refusals import Refused
from billing.engine import Period
from billing.engine.calendar import months_after
from billing.licences import add_licences
from billing.models import (
    BillingSchedule,
    Charge,
    LicenceMode,
    Offer,
    Subscription,
    SubscriptionCommitment,
    TelephonyOption,
    Tenancy,
)
from billing.overage import NO_DEPARTMENT, overage_of, periods_of
from billing.preview import next_invoice
from billing.subscription_queries import Status, in_status, status_of, succession
from billing.subscriptions import (
    Terms,
    add_subscription,
    end_subscription,
    set_commitment,
    subscriptions_of,
    switch_tenancy,
    term_months,
)
from billing.usage import record_usage
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, on, price, product, trail_of
from tests.factories import PartnerFactory

pytestmark = pytest.mark.django_db

PRO = "cc-pro-licence"


def terms(name: str = "Sales", start: str = "01-20", months: int = 12, **fields: Any) -> Terms:
    """A subscription's terms: concurrent and Webex Calling unless it is said otherwise."""
    wanted: dict[str, Any] = {
        "licence_mode": LicenceMode.CONCURRENT,
        "telephony_option": TelephonyOption.WEBEX_CALLING,
    }
    return Terms(
        name=name, starts_on=day(start), ends_on=months_after(day(start), months), **(wanted | fields)
    )


def add(account: Account, at: str = "01-20", **fields: Any) -> Subscription:
    """Enter a subscription on a day, which is its start unless it is said otherwise."""
    return add_subscription(account, terms(**{"start": at, **fields}), **on(account, at))


def used(account: Account, of: Subscription | None, meter: str, text: str, units: int) -> None:
    """Record usage of a day."""
    by = on(account, text)
    record_id = f"{meter}-{of and of.pk}-{text}"
    record_usage(account, record_id, meter, units, occurred_at=by["at"], subscription=of, **by)


# --- SUB-1 -------------------------------------------------------------------------------------


def test_any_number_stand_beside_each_other_flex_and_flex_3() -> None:
    """SUB-1, and the seed's example: three years of one department beside two years of another."""
    account = an_account()
    add(account, name="Core", months=36, offer=Offer.FLEX)
    add(account, name="WFO", months=24, offer=Offer.FLEX_3, department="Quality")
    add(account, name="Trial", months=1)
    kept = Subscription.objects.filter(tenancy=account.pk)
    assert [(one.name, one.term_months, one.offer) for one in kept] == [
        ("Core", 36, "flex"),
        ("WFO", 24, "flex-3"),
        ("Trial", 1, "flex-3"),
    ]
    assert trail_of(account).count("add-subscription") == 3


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"start": "01-19"}, "starts_on"),
        ({"months": 0}, "ends_on"),
        ({"months": 61}, "ends_on"),
        ({"commitments": {"domestic-local": 5}}, "commitments"),
        ({"commitments": {"agents": -1}}, "commitments"),
        ({"name": "Taken"}, "name"),
    ],
)
def test_terms_that_are_refused(fields: dict[str, Any], field: str) -> None:
    """SUB-1: told by the field, and nothing is kept."""
    account = an_account()
    add(account, name="Taken")
    with pytest.raises(Refused) as refused:
        add(account, **{"name": "Other", **fields})
    assert refused.value.field == field
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("end", "months"), [("02-20", 1), ("02-21", 2), ("02-19", 1), ("01-21", 1), ("07-20", 6)]
)
def test_a_month_that_is_begun_counts(end: str, months: int) -> None:
    """SUB-1: the term in months."""
    assert term_months(day("01-20"), day(end)) == months


def test_a_partner_comes_in_with_its_subscription() -> None:
    """SUB-1, ACC-2: the first partner with full administration, a second one read-only."""
    account = an_account()
    for place, name in enumerate(("Sales", "Service")):
        partner = PartnerFactory(brand=account.brand)
        found = add(account, name=name, partner=partner)
        access = PartnerAccess.objects.get(account=account, partner=partner)
        assert found.partner == partner
        assert access.level == (PartnerLevel.READ_ONLY if place else PartnerLevel.FULL)


# --- SUB-2, SUB-3 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "rule", "field", "says"),
    [
        ({"licence_mode": LicenceMode.NAMED}, "SUB-2", "licence_mode", "are concurrent; named ones cannot"),
        ({"telephony_option": TelephonyOption.VPOP}, "SUB-3", "telephony_option", "is Webex Calling"),
    ],
)
@pytest.mark.parametrize("is_ended", [False, True], ids=["active", "ended"])
def test_a_mixture_is_refused_in_words(
    other: dict[str, Any], rule: str, field: str, says: str, is_ended: bool
) -> None:
    """SUB-2, SUB-3: also where the first has ended; nothing is kept of it."""
    account = an_account()
    first = add(account, name="First", products={product(PRO): 1})
    if is_ended:
        end_subscription(first, **on(account, "01-25"))
    with pytest.raises(Refused) as refused:
        add(account, "02-01", name="Second", products={product(PRO): 1}, **other)
    assert (refused.value.rule, refused.value.field) == (rule, field)
    assert says in refused.value.message
    assert (Subscription.objects.count(), Charge.objects.count(), Tenancy.objects.count()) == (1, 1, 1)


def test_staff_switch_the_whole_tenant() -> None:
    """SUB-2, SUB-3: then all are so, and further ones have to be."""
    account = an_account()
    with pytest.raises(Refused):
        switch_tenancy(account, licence_mode=LicenceMode.NAMED, **on(account, "01-20"))
    add(account)
    switch_tenancy(account, telephony_option=TelephonyOption.VPOP, **on(account, "01-21"))
    switch_tenancy(account, telephony_option=TelephonyOption.VPOP, **on(account, "01-21"))
    assert trail_of(account).count("switch-tenancy") == 1
    with pytest.raises(Refused):
        add(account, "01-22", name="Old option")
    add(account, "01-22", name="New option", telephony_option=TelephonyOption.VPOP)


class TestTheDatabase:
    """SUB-2, SUB-3: what no code of the panel would write is refused all the same."""

    @pytest.fixture
    def account(self) -> Account:
        account = an_account()
        add(account)
        return account

    @staticmethod
    def refuses(statement: str, *values: str | int | date) -> None:
        def write() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, values)
                # Foreign keys are looked at when a transaction ends, which that of a test never does.
                connection.check_constraints()

        with pytest.raises(DatabaseError):
            write()

    def test_no_second_mode_beside_the_first(self, account: Account) -> None:
        insert = (
            "INSERT INTO billing_tenancy (account_id, licence_mode, telephony_option) VALUES (%s, %s, %s)"
        )
        self.refuses(insert, account.pk, "named", "webex-calling")
        self.refuses(insert, account.pk, "concurrent", "vpop")

    def test_no_mode_or_option_that_is_none(self, account: Account) -> None:
        self.refuses("UPDATE billing_tenancy SET licence_mode = %s WHERE account_id = %s", "both", account.pk)
        self.refuses("UPDATE billing_tenancy SET licence_mode = %s WHERE account_id = %s", "", account.pk)
        self.refuses(
            "UPDATE billing_tenancy SET telephony_option = %s WHERE account_id = %s", "own", account.pk
        )

    def test_no_subscription_without_what_all_have_in_common(self, account: Account) -> None:
        other = an_account(slug="without", name="Without")
        self.refuses("UPDATE billing_subscription SET account_id = %s", other.pk)

    def test_no_subscription_that_has_a_mode_of_its_own(self) -> None:
        columns = {field.column for field in Subscription._meta.get_fields() if hasattr(field, "column")}
        assert not {"licence_mode", "telephony_option"} & columns

    def test_no_end_outside_of_the_term(self, account: Account) -> None:
        self.refuses("UPDATE billing_subscription SET ends_on = %s", date(2026, 1, 1))
        self.refuses("UPDATE billing_subscription SET ends_on = %s", date(2028, 1, 1))
        self.refuses("UPDATE billing_subscription SET term_months = %s", 61)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_that_would_be_first_at_once_end_with_one_mode() -> None:
    """SUB-2, SUB-3: of twenty first subscriptions in different modes and options one decides, and its like follow."""
    account = an_account()
    choices = [(mode, option) for mode in LicenceMode for option in TelephonyOption]
    gate = threading.Barrier(20)
    answers: list[str] = []

    def enter(number: int) -> None:
        mode, option = choices[number % len(choices)]
        wanted = terms(
            name=f"Subscription {number}",
            licence_mode=mode,
            telephony_option=option,
            products={product(PRO): 1},
        )
        try:
            gate.wait()
            add_subscription(account, wanted, **on(account, "01-20"))
            answers.append(f"{mode} {option}")
        except Refused as refused:
            answers.append(refused.rule)
        finally:
            connection.close()

    crew = [threading.Thread(target=enter, args=[number]) for number in range(20)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    tenancy = Tenancy.objects.get(account=account)
    taken = f"{tenancy.licence_mode} {tenancy.telephony_option}"
    assert len(answers) == 20
    assert set(answers) == {taken, "SUB-2", "SUB-3"}
    kept = Subscription.objects.filter(tenancy=account.pk).count()
    assert kept == answers.count(taken) == sum(f"{m} {o}" == taken for m, o in (choices * 4)[:20])
    assert Charge.objects.filter(account=account).count() == kept


# --- SUB-4 -------------------------------------------------------------------------------------


def test_the_oldest_active_is_primary_and_the_next_oldest_follows() -> None:
    """SUB-4: on a tie the one that was entered first, and from the day of the end the next."""
    account = an_account()
    add(account, name="Sales", months=12)
    add(account, name="Twin", months=24)
    add(account, name="Late", start="03-10", months=36)
    facts = subscriptions_of(account)
    now = succession(facts, day("03-15"))
    assert (now.primary and now.primary.name, now.following and now.following.name) == ("Sales", "Twin")
    assert [one.name for one in now.same_start] == ["Twin"]
    after = succession(facts, date(2027, 1, 20))
    assert (after.primary and after.primary.name, after.following and after.following.name) == (
        "Twin",
        "Late",
    )
    last = succession(facts, date(2029, 3, 10))
    assert (last.primary and last.primary.name, last.is_active) == ("Late", False)
    before = succession(facts, day("01-19"))
    assert (before.primary, before.following and before.following.name) == (None, "Sales")


def test_status_follows_the_days() -> None:
    """Upcoming, active, in its last 30 days, ended."""
    account = an_account()
    found = add(account, start="01-25", months=3)
    told = {text: status_of(found, day(text)) for text in ("01-24", "01-25", "03-25", "03-26", "04-24")}
    assert list(told.values()) == [
        Status.UPCOMING,
        Status.ACTIVE,
        Status.ACTIVE,
        Status.ENDS_SOON,
        Status.ENDS_SOON,
    ]
    assert status_of(found, day("04-25")) == Status.ENDED


# --- SUB-10 and ends -----------------------------------------------------------------------------


def test_it_is_billed_from_its_start_to_its_end_whatever_else_holds() -> None:
    """SUB-10, BIL-4: no contact center is installed, no fee comes, and the days are those of the term."""
    account = an_account(bdom=15)
    price(PRO, "60.00")
    found = add(account, "01-20", start="01-30", months=1, products={product(PRO): 2})
    charge = Charge.objects.get()
    assert (charge.billing_starts_on, charge.term_ends_on) == (day("01-30"), day("02-28"))
    assert (charge.subscription, charge.brought.count()) == (found, 0)
    bill(account, "02-15")
    (invoice,) = account.invoices.all()
    # 120 × 16 of 31 days, then 120 × 13 of 28 days.
    assert [line.amount for line in invoice.lines.order_by("position")] == [
        Decimal("61.94"),
        Decimal("55.71"),
    ]


def test_an_early_end_credits_what_was_paid_ahead() -> None:
    """BIL-5: and once more it changes nothing."""
    account = an_account(bdom=15)
    price(PRO, "60.00")
    found = add(account, "01-15", products={product(PRO): 1})
    bill(account, "02-15")
    end_subscription(found, **on(account, "03-01"))
    end_subscription(found, **on(account, "03-02"))
    found.refresh_from_db()
    assert (found.ends_on, found.agreed_until) == (day("03-01"), date(2027, 1, 15))
    # 14 of the 28 days that February 15 billed ahead.
    assert next_invoice(account).total == Decimal("-30.00")
    assert trail_of(account).count("end-subscription") == 1
    with pytest.raises(Refused, match="ended on"):
        add_licences(account, product(PRO), 1, subscription=found, **on(account, "03-02"))


def test_one_that_has_not_begun_never_begins() -> None:
    """SUB-10: nothing of it is ever billed."""
    account = an_account(bdom=15)
    found = add(account, "01-20", start="02-10", products={product(PRO): 5})
    end_subscription(found, **on(account, "01-25"))
    found.refresh_from_db()
    assert found.ends_on == found.starts_on
    with pytest.raises(Refused, match="ended before it began"):
        add_licences(account, product(PRO), 1, subscription=found, **on(account, "01-26"))
    end_subscription(found, **on(account, "01-27"))
    assert trail_of(account).count("end-subscription") == 1
    assert status_of(found, day("01-26")) == Status.ENDED
    assert list(Subscription.objects.filter(in_status(Status.ENDED, day("01-26")))) == [found]
    assert not Subscription.objects.filter(in_status(Status.UPCOMING, day("01-26"))).exists()
    assert next_invoice(account).total == 0
    assert succession(subscriptions_of(account), day("02-20")).primary is None


# --- commitments and overage ---------------------------------------------------------------------


def test_a_commitment_changes_from_today() -> None:
    """SUB-6: days before keep what they had; twice on one day is one change; the same is none."""
    account = an_account()
    found = add(account, commitments={"agents": 10})
    stamp = BillingSchedule.objects.get(account=account).stamp
    set_commitment(found, "agents", 10, **on(account, "02-01"))
    assert BillingSchedule.objects.get(account=account).stamp == stamp
    set_commitment(found, "agents", 12, **on(account, "02-01"))
    set_commitment(found, "agents", 15, **on(account, "02-01"))
    (own,) = subscriptions_of(account)
    assert (own.committed("agents", day("01-31")), own.committed("agents", day("02-01"))) == (10, 15)
    assert SubscriptionCommitment.objects.count() == 2
    assert trail_of(account).count("set-commitment") == 2
    end_subscription(found, **on(account, "02-10"))
    with pytest.raises(Refused):
        set_commitment(found, "agents", 20, **on(account, "02-11"))


@pytest.fixture
def tenant() -> tuple[Account, Subscription, Subscription]:
    """Subscriptions of 10 and 15 agents, of two departments, from February 1; the BDOM is the 1st."""
    account = an_account(bdom=1)
    bill(account, "02-01")
    first = add(account, "02-01", name="Subscription 1", department="Sales", commitments={"agents": 10})
    second = add(account, "02-01", name="Subscription 2", department="Service", commitments={"agents": 15})
    return account, first, second


FEBRUARY = Period(day("02-01"), day("03-01"))


@pytest.mark.parametrize(("peaks", "above"), [((8, 17), 0), ((10, 15), 0), ((10, 16), 1), ((14, 17), 6)])
def test_10_and_15_agents_25_are_free_and_26_are_one_above(
    tenant: tuple[Account, Subscription, Subscription], peaks: tuple[int, int], above: int
) -> None:
    """SUB-6, the seed's example: worked out on the whole tenant, billed to the primary, by the invoice's own line."""
    account, first, second = tenant
    for subscription, peak in zip((first, second), peaks, strict=True):
        used(account, subscription, "agents", "02-10", peak)
        used(account, subscription, "agents", "02-11", 5)
    (working,) = overage_of(account, FEBRUARY).workings
    assert (working.pool.used, working.pool.included, working.pool.above) == (sum(peaks), 25, above)
    lines = [line for line in next_invoice(account).lines if line.product == "agents"]
    assert [(line.quantity, line.amount, line.subscription) for line in working.lines] == [
        (line.quantity, line.amount, line.subscription) for line in lines
    ]
    assert working.amount == 95 * above
    if above:
        assert working.payer is not None
        assert (working.pool.on, working.payer.name) == (day("02-10"), "Subscription 1")
        assert {line.subscription for line in working.lines} == {"Subscription 1"}


def test_the_split_by_department_sums_to_the_whole(
    tenant: tuple[Account, Subscription, Subscription],
) -> None:
    """By what each used above its own commitment; a third of 95 three times is 31.67, 31.67 and 31.66."""
    account, first, second = tenant
    third = add(account, "02-01", name="Third", commitments={"agents": 5})
    for subscription, peak in ((first, 11), (second, 16), (third, 6)):
        used(account, subscription, "agents", "02-10", peak)
    (working,) = overage_of(account, FEBRUARY).workings
    assert [(share.department, share.weight) for share in working.shares] == [
        ("Sales", 1),
        ("Service", 1),
        (NO_DEPARTMENT, 1),
    ]
    assert sum(share.amount for share in working.shares) == working.amount == Decimal(285)
    end_subscription(third, **on(account, "02-15"))
    used(account, second, "agents", "02-20", 25)
    used(account, first, "agents", "02-20", 10)
    (working,) = overage_of(account, FEBRUARY).workings
    assert (working.pool.on, working.pool.above) == (day("02-20"), 10)
    assert [(share.department, share.amount) for share in working.shares] == [("Service", Decimal(950))]


def test_of_named_licences_the_different_agents_are_counted(
    tenant: tuple[Account, Subscription, Subscription],
) -> None:
    """SUB-6: against the highest daily total of commitments; the parts by department add up."""
    account, first, second = tenant
    switch_tenancy(account, licence_mode=LicenceMode.NAMED, **on(account, "02-02"))
    for number in range(28):
        by = on(account, f"02-{3 + number % 20:02}")
        of = first if number < 12 else second
        record_usage(
            account,
            f"a{number}",
            "agents",
            1,
            occurred_at=by["at"],
            subscription=of,
            subject=f"P{number}",
            **by,
        )
    (working,) = overage_of(account, FEBRUARY).workings
    assert (working.pool.used, working.pool.included, working.pool.above) == (28, 25, 3)
    assert dict(working.used) == {first.pk: 12, second.pk: 16}
    assert working.amount == 95 * 3
    assert [share.amount for share in working.shares] == [Decimal(190), Decimal(95)]


def test_who_has_had_a_meter_longest_bears_it(tenant: tuple[Account, Subscription, Subscription]) -> None:
    """SUB-7: the second, that alone committed to it; once it has ended, the primary."""
    account, first, second = tenant
    set_commitment(second, "ai-agent", 30, **on(account, "02-05"))
    used(account, first, "ai-agent", "02-10", 25)
    used(account, second, "ai-agent", "02-11", 15)
    working = next(one for one in overage_of(account, FEBRUARY).workings if one.meter.code == "ai-agent")
    assert working.payer is not None
    assert (working.pool.above, working.payer.name) == (10, "Subscription 2")
    assert {line.subscription for line in working.lines} == {"Subscription 2"}
    end_subscription(second, **on(account, "02-20"))
    working = next(one for one in overage_of(account, FEBRUARY).workings if one.meter.code == "ai-agent")
    assert working.payer is not None
    assert (working.pool.above, working.payer.name) == (40, "Subscription 1")


def test_what_was_billed_is_shown_by_its_invoices_late_records_too(
    tenant: tuple[Account, Subscription, Subscription],
) -> None:
    """USE-5: the line of the period's own invoice, and that of the next one for what came late."""
    account, first, second = tenant
    used(account, first, "agents", "02-10", 14)
    used(account, second, "agents", "02-10", 15)
    bill(account, "03-01")
    by = on(account, "03-05")
    late = on(account, "02-10")["at"]
    record_usage(account, "late", "agents", 17, occurred_at=late, subscription=second, **by)
    (working,) = overage_of(account, FEBRUARY).workings
    invoice = account.invoices.get(issued_on=day("03-01"))
    assert [(line.number, line.quantity, line.rule) for line in working.lines] == [
        (invoice.number, 4, "SUB-6"),
        ("", 2, "USE-5"),
    ]
    assert (working.pool.above, working.amount) == (6, Decimal(570))


def test_periods_go_back_to_the_opening() -> None:
    account = an_account(bdom=15, opened="01-20")
    found = periods_of(account, day("03-20"))
    assert [period.start for period in found] == [day("03-15"), day("02-15"), day("01-15")]
