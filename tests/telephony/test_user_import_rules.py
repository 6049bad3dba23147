"""Adding end users from a file: each row's verdict, and all rows or none (LIC-2)."""

from datetime import timedelta

import pytest
from django.db.models import Q

from accounts.end_users import add_end_user
from accounts.models import Account, AuditEntry, EndUser
from accounts.refusals import Refused
from billing.licences import add_licences, assign_licence, stock_of
from billing.models import Charge, LicenceAssignment, LicenceMode, Product, Subscription, TelephonyOption
from billing.subscriptions import Terms, add_subscription
from telephony.contact_center import install
from telephony.inventory import add_block
from telephony.models import Edition, InventoryNumber, Number, NumberHolding, NumberState, ServiceKind
from telephony.numbers import add_number, assign_number
from telephony.services import add_service
from telephony.user_file import read_table
from telephony.user_import import Changed, Imported, import_end_users
from telephony.user_rows import Plan, judge
from tests import factories
from tests.factories import AT, TESTS

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    found: Account = factories.AccountFactory(slug="northwind")
    factories.LocationFactory(account=found, name="Harbour")
    return found


def product(code: str = "uc-licence") -> Product:
    return Product.objects.get(pk=code)


def plan_of(account: Account, *lines: str, is_buying: bool = False) -> Plan:
    """The plan of a file with these lines, the first of which names the columns."""
    table = read_table("\n".join(lines).encode())
    return judge(account, table, is_buying=is_buying, on=account.local_date(AT))


def done(account: Account, plan: Plan) -> Imported:
    return import_end_users(
        account, plan.table, name="u.csv", seen=plan.seen, is_buying=plan.is_buying, actor=TESTS, at=AT
    )


def reasons(plan: Plan) -> list[str]:
    return [verdict.reason for verdict in plan.verdicts]


class TestVerdicts:
    def test_a_name_is_all_that_is_needed(self, account: Account) -> None:
        plan = plan_of(account, "name", "Ann", "Ben")
        assert reasons(plan) == ["", ""]
        assert [end_user.name for end_user in done(account, plan).end_users] == ["Ann", "Ben"]

    @pytest.mark.parametrize(
        ("header", "row", "words"),
        [
            ("name,email", ",a@n.example", "name: An end user has a name"),
            ("name,email", "Ann,ann", "email: “ann” is not an e-mail address"),
            ("name,email", "Ann,TAKEN@n.example", "email: TAKEN@n.example belongs to Uma already"),
            ("name,extension", "Ann,12", "extension: Extensions of this account have 4 digits"),
            ("name,extension", "Ann,12a4", "extension: Extensions of this account have 4 digits"),
            ("name,extension", "Ann,1001", "extension: Extension 1001 is taken by Uma"),
            ("name,extension", "Ann,1002", "extension: Extension 1002 is taken by a service"),
            ("name,location", "Ann,Nowhere", "location: There is no location “Nowhere”"),
            ("name,licence", "Ann,Gold", "licence: There is no licence “Gold”"),
            ("name,licence", "Ann,cc-pro-licence", "licence: No"),
            ("name,licence", "Ann,uc-licence", "licence: No UC licence is free for this row"),
            ("name,subscription", "Ann,West", "subscription: A subscription is named, but no licence"),
            ("name,licence,subscription", "Ann,uc-licence,West", "There is no subscription “West”"),
            ("name,number", "Ann,212", "number: Only an end user who holds a UC licence"),
            ("name,number", "Ann,call me", "neither a phone number"),
            ("name,licence,number", "Ann,uc-licence,907", "No number of area code 907 is left"),
            ("name,licence,number", "Ann,uc-licence,+12125550111", "is not a number of this account"),
            ("name,licence,number", "Ann,uc-licence,(212) 555-0199", "+12125550199 is with Uma"),
            ("name,department", f"Ann,{'d' * 81}", "department: At most 80 characters"),
            ("name,email", f"{'n' * 121},", "name: At most 120 characters"),
            ("name,email", "Ann,a@n.example,Sales", "more cells than the first line"),
        ],
    )
    def test_names_each_reason_by_its_column(
        self, account: Account, header: str, row: str, words: str
    ) -> None:
        """LIC-2, NUM-1, NUM-6, NUM-8, LIC-1."""
        uma = factories.EndUserFactory(account=account, name="Uma", email="taken@n.example", extension="1001")
        add_service(account, ServiceKind.HUNT_GROUP, "Sales", extension="1002", actor=TESTS, at=AT)
        add_licences(account, product(), 1, actor=TESTS, at=AT)
        assign_licence(uma, product(), actor=TESTS, at=AT)
        assign_number(add_number(account, "+12125550199", actor=TESTS, at=AT), to=uma, actor=TESTS, at=AT)
        plan = plan_of(account, header, row)
        assert words in reasons(plan)[0]
        with pytest.raises(Refused):
            done(account, plan)
        assert EndUser.objects.filter(account=account).count() == 1

    def test_says_all_that_is_wrong_with_a_row(self, account: Account) -> None:
        (verdict,) = plan_of(account, "name,email,extension,location", ",x,1,Nowhere").verdicts
        assert [fault.column for fault in verdict.faults] == ["name", "email", "extension", "location"]

    def test_two_rows_for_one_person(self, account: Account) -> None:
        """LIC-2: one address is one person, in whatever case; both rows name the other."""
        plan = plan_of(account, "name,email", "Ann,Ann@n.example", "Ben,b@n.example", "Annie,ANN@n.example")
        assert "is on line 4 too: two rows for one person" in reasons(plan)[0]
        assert "is on line 2 too" in reasons(plan)[2]
        assert reasons(plan)[1] == ""

    def test_one_extension_on_two_rows(self, account: Account) -> None:
        """NUM-6"""
        plan = plan_of(account, "name,extension", "Ann,1001", "Ben,1001")
        assert ["is on line 3 too" in reasons(plan)[0], "is on line 2 too" in reasons(plan)[1]] == [
            True,
            True,
        ]

    def test_who_was_removed_is_in_nobodys_way(self, account: Account) -> None:
        gone = factories.EndUserFactory(account=account, email="a@n.example")
        EndUser.objects.filter(pk=gone.pk).update(removed_on=account.local_date(AT))
        assert reasons(plan_of(account, "name,email", "Ann,a@n.example")) == [""]

    def test_knows_nothing_of_other_accounts(self, account: Account) -> None:
        """ACC-4: another's location, number and subscription are none; another's address and extension may be had."""
        other = factories.AccountFactory()
        factories.LocationFactory(account=other, name="Secret")
        factories.EndUserFactory(account=other, email="a@n.example", extension="1001")
        add_number(other, "+12125550188", actor=TESTS, at=AT)
        add_licences(account, product(), 1, actor=TESTS, at=AT)
        plan = plan_of(
            account,
            "name,email,extension,location,licence,number",
            "Ann,a@n.example,1001,Secret,UC licence,+12125550188",
        )
        assert [fault.column for fault in plan.verdicts[0].faults] == ["location", "number"]


class TestLicences:
    def test_the_free_ones_go_to_the_first_rows(self, account: Account) -> None:
        """LIC-1: the rows for which none is left are refused, by name or code, whatever the case."""
        add_licences(account, product(), 2, actor=TESTS, at=AT)
        plan = plan_of(account, "name,licence", "Ann,UC licence", "Ben,UC-LICENCE", "Cleo,uc licence")
        assert [verdict.is_refused for verdict in plan.verdicts] == [False, False, True]
        assert [(each.units, each.can_be_bought) for each in plan.missing] == [(1, True)]

    def test_missing_ones_are_bought_where_that_is_chosen(self, account: Account) -> None:
        """LIC-1, LIC-2"""
        add_licences(account, product(), 1, actor=TESTS, at=AT)
        plan = plan_of(account, "name,licence", "Ann,UC licence", "Ben,UC licence", is_buying=True)
        assert not plan.refused
        assert [each.units for each in done(account, plan).bought] == [1]
        holding = stock_of(account).of(None, "uc-licence")
        assert holding is not None
        assert (holding.bought, holding.assigned) == (2, 2)

    def test_of_a_subscription(self, account: Account, subscription: Subscription) -> None:
        """SUB-9: the licence is of the subscription named, and its licences alone count."""
        add_licences(account, product(), 1, subscription=subscription, actor=TESTS, at=AT)
        plan = plan_of(account, "name,licence,subscription", "Ann,UC licence,front desk", "Ben,UC licence,")
        assert [verdict.is_refused for verdict in plan.verdicts] == [False, True]
        plan = plan_of(account, "name,licence,subscription", "Ann,UC licence,front desk")
        done(account, plan)
        assert LicenceAssignment.objects.get(account=account).subscription == subscription

    def test_of_an_ended_subscription(self, account: Account, subscription: Subscription) -> None:
        """SUB-8"""
        table = read_table(b"name,licence,subscription\nAnn,UC licence,Front desk\n")
        plan = judge(account, table, is_buying=True, on=subscription.ends_on)
        assert "Subscription Front desk ended on" in reasons(plan)[0]

    def test_limits_of_onboarding_hold(self, account: Account) -> None:
        """ONB-3: a third Contact Center licence is refused, whatever the way in; ONB-4: assigning has no limit."""
        install(account, Edition.PRO, actor=TESTS, at=AT)
        rows = ("Ann,cc-pro-licence", "Ben,cc-pro-licence", "Cleo,cc-pro-licence")
        plan = plan_of(account, "name,licence", *rows, is_buying=True)
        assert [each.units for each in plan.missing] == [1]
        assert len(done(account, plan).end_users) == 3

    @pytest.fixture
    def subscription(self, account: Account) -> Subscription:
        today = account.local_date(AT)
        terms = Terms(
            "Front desk", today, today + timedelta(days=365), LicenceMode.NAMED, TelephonyOption.VPOP
        )
        return add_subscription(account, terms, actor=TESTS, at=AT)


class TestNumbers:
    @pytest.fixture(autouse=True)
    def _stock(self, account: Account) -> None:
        add_block(account.brand, "+12125550150", 3, actor=TESTS, at=AT)
        add_licences(account, product(), 5, actor=TESTS, at=AT)

    def test_an_area_code_takes_the_lowest_in_stock(self, account: Account) -> None:
        """NUM-1, NUM-3: what is shown is what is given; the first number costs nothing."""
        plan = plan_of(account, "name,licence,number", "Ann,uc-licence,212", "Ben,uc-licence,212")
        assert [each.number and each.number.e164 for each in plan.verdicts] == [
            "+12125550150",
            "+12125550151",
        ]
        done(account, plan)
        given = Number.objects.filter(account=account).order_by("e164")
        assert [(number.e164, str(number.end_user)) for number in given] == [
            ("+12125550150", "Ann"),
            ("+12125550151", "Ben"),
        ]
        assert InventoryNumber.objects.filter(taken_by=account).count() == 2
        assert not Charge.objects.filter(account=account, product="number-local", ended_on=None).exists()

    def test_leaves_the_same_behind_as_one_by_one(self, account: Account) -> None:
        """NUM-2, NUM-3: number, history, charges and trail are as if each had been added and assigned by itself."""
        done(account, plan_of(account, "name,licence,number", "Ann,uc-licence,212"))
        ben = add_end_user(account, name="Ben", actor=TESTS, at=AT)
        assign_licence(ben, product(), actor=TESTS, at=AT)
        assign_number(add_number(account, "+12125550151", actor=TESTS, at=AT), to=ben, actor=TESTS, at=AT)
        ann = EndUser.objects.get(account=account, name="Ann")
        assert facts(ann) == facts(ben)

    def test_a_parked_number(self, account: Account) -> None:
        add_number(account, "+13125550100", actor=TESTS, at=AT)
        plan = plan_of(account, "name,licence,number", "Ann,uc-licence,(312) 555-0100")
        done(account, plan)
        number = Number.objects.get(account=account)
        assert (number.state, str(number.end_user)) == (NumberState.ASSIGNED, "Ann")
        assert NumberHolding.objects.filter(number=number, to_at=None).count() == 1
        assert not Charge.objects.filter(subject=f"number:{number.pk}", ended_on=None).exists()

    def test_one_number_on_two_rows(self, account: Account) -> None:
        add_number(account, "+13125550100", actor=TESTS, at=AT)
        plan = plan_of(
            account, "name,licence,number", "Ann,uc-licence,3125550100", "Ben,uc-licence,+13125550100"
        )
        assert ["is on line" in reason for reason in reasons(plan)] == [True, True]

    def test_the_stock_runs_out(self, account: Account) -> None:
        plan = plan_of(account, "name,licence,number", *[f"P{place},uc-licence,212" for place in range(4)])
        assert [verdict.is_refused for verdict in plan.verdicts] == [False, False, False, True]


def facts(end_user: EndUser) -> list[object]:
    """All that an end user with a number left in the tables, but for keys and names."""
    number = Number.objects.get(end_user=end_user)
    holdings = NumberHolding.objects.filter(number=number).order_by("pk")
    charges = Charge.objects.filter(subject=f"number:{number.pk}").order_by("pk")
    about = Q(target_kind="number", target_id=str(number.pk))
    about |= Q(target_kind="enduser", target_id=str(end_user.pk))
    trail = AuditEntry.objects.filter(about)
    return [
        (number.state, number.kind, number.region, number.added_on, number.assigned_on, number.parked_on),
        number.holding == holdings.last(),
        [(each.end_user == end_user, each.from_at, each.to_at) for each in holdings],
        [
            (each.product_id, each.unit_price, each.state, each.billing_starts_on, each.ended_on, each.basis)
            for each in charges
        ],
        sorted((each.action, sorted(each.after)) for each in trail),
    ]


class TestAllOrNone:
    def test_one_bad_row_is_enough(self, account: Account) -> None:
        """LIC-2"""
        plan = plan_of(account, "name,email", "Ann,a@n.example", "Ben,b")
        with pytest.raises(Refused, match="1 row is refused"):
            done(account, plan)
        assert not EndUser.objects.filter(account=account).exists()

    @pytest.mark.parametrize("what", ["licence", "extension", "number", "location", "day"])
    def test_what_has_changed_since_is_shown_again(self, account: Account, what: str) -> None:
        """LIC-2: what was seen is what is done, or nothing is."""
        add_licences(account, product(), 1, actor=TESTS, at=AT)
        add_block(account.brand, "+12125550150", 2, actor=TESTS, at=AT)
        plan = plan_of(account, "name,extension,location,licence,number", "Ann,1001,harbour,UC licence,212")
        assert not plan.refused
        at = AT
        if what == "licence":
            assign_licence(factories.EndUserFactory(account=account), product(), actor=TESTS, at=AT)
        elif what == "extension":
            factories.EndUserFactory(account=account, extension="1001")
        elif what == "number":
            add_number(account, "+12125550150", actor=TESTS, at=AT)
        elif what == "location":
            account.locations.update(name="Quay")
        else:
            at += timedelta(days=1)
        before = EndUser.objects.filter(account=account).count()
        with pytest.raises(Changed) as changed:
            import_end_users(
                account, plan.table, name="u.csv", seen=plan.seen, is_buying=False, actor=TESTS, at=at
            )
        assert changed.value.plan.seen != plan.seen
        assert EndUser.objects.filter(account=account).count() == before

    def test_the_trail_tells_of_each_and_of_the_file(self, account: Account) -> None:
        """ACC-5"""
        done(account, plan_of(account, "name", "Ann", "Ben"))
        entry = AuditEntry.objects.get(account=account, action="import-end-users")
        assert entry.summary == "2 end users added from u.csv"
        assert AuditEntry.objects.filter(account=account, action="add-end-user").count() == 2

    def test_department_and_location_are_kept(self, account: Account) -> None:
        done(account, plan_of(account, "name,department,location,extension", "Ann,Sales,HARBOUR,1001"))
        ann = EndUser.objects.get(account=account)
        assert (ann.department, str(ann.location), ann.extension) == ("Sales", "Harbour", "1001")
        with pytest.raises(Refused):
            add_end_user(account, name="Ben", extension="1001", actor=TESTS, at=AT)
