"""Where the stories play: the people, the accounts, and the actions they take.

A story is a generator. It yields the instant at which it wants to go on, and in between it acts. The
loader runs all stories side by side, always the one whose instant is the earliest, with the schedule
among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from accounts.addresses import Address
from accounts.end_users import add_end_user
from accounts.locations import add_location
from accounts.members import add_member
from accounts.models import Account, Brand, EndUser, Location, Partner, Role, User
from accounts.partners import bring_in_partner
from accounts.trail import Actor, record
from billing.charges import open_ledger
from billing.licences import (
    UC_LICENCE,
    add_licences,
    assign_licence,
    remove_licences,
    unassign_licence,
)
from billing.models import Order, OrderLine, Price, Product
from billing.opening import open_account
from billing.orders import cancel_units, place_order
from billing.repricing import Repricing, reprice
from controlpanel.demo import cast
from controlpanel.demo.names import address_of, names
from hardware.devices import assign_device, replace_device
from hardware.models import Device
from hardware.orders import confirm_basket
from hardware.provisioning import check_in
from hardware.shipments import Parcel, Unit, ship
from telephony import contact_center
from telephony.charging import Holder
from telephony.end_users import remove_end_user
from telephony.inventory import add_block
from telephony.models import ContactCenter, Edition, Number, Service, ServiceKind
from telephony.numbers import (
    add_number,
    assign_number,
    free_inventory,
    park_number,
    release_number,
    swap_numbers,
)
from telephony.services import add_service, remove_service

Story = Iterator[datetime]

LOADER = Actor.for_command("demo")
# Addresses that are set aside for examples.
STAFF_ADDRESS = "198.51.100.20"
PARTNER_ADDRESS = "192.0.2.40"


@dataclass(slots=True)
class Stage:
    """All that is on it. `now` is the instant at which the demo ends, and its real visitors come."""

    now: datetime
    brands: dict[str, Brand] = field(default_factory=dict)
    staff: dict[str, Actor] = field(default_factory=dict)
    partners: dict[str, Partner] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    hashed: str = field(default_factory=lambda: make_password(cast.KNOWN_TO_ALL))

    def build(self) -> None:
        """Put up the brands with their prices, inventories and partners, and the provider's staff."""
        began = self.now - timedelta(days=150)
        for plan in cast.STAFF:
            user = self.user(plan.email, plan.name, began, is_staff=True, is_superuser=not plan.groups)
            user.groups.set(Group.objects.get(name=name) for name in plan.groups)
            self.staff[plan.email] = Actor(user=user, address=STAFF_ADDRESS)
        self.products = Product.objects.in_bulk()
        for brand in cast.BRANDS:
            self._brand(brand, began)
        for partner in cast.PARTNERS:
            self._partner(partner, began)
        for price in cast.PRICES:
            if price.days_ago is None:
                self._price(price, date(2020, 1, 1))

    def _brand(self, plan: cast.BrandPlan, at: datetime) -> None:
        brand = Brand.objects.create(
            name=plan.name,
            slug=plan.slug,
            logo_text=plan.name,
            accent=plan.accent,
            support_email=f"support@{plan.domain}",
            support_phone=plan.support_phone,
            onboarding_email=f"onboarding@{plan.domain}",
            onboarding_phone=plan.onboarding_phone,
            legal_name=plan.legal_name,
            legal_address=plan.legal_address,
            invoice_prefix=plan.invoice_prefix,
            payment_days=plan.payment_days,
        )
        self.brands[plan.slug] = brand
        for first, count in cast.INVENTORY[plan.slug]:
            add_block(brand, first, count, actor=self.staff[cast.ONBOARDER], at=at)

    def _partner(self, plan: cast.PartnerPlan, at: datetime) -> None:
        partner = Partner.objects.create(
            brand=self.brands[plan.brand], name=plan.name, slug=plan.slug, email=plan.email
        )
        self.partners[plan.slug] = partner
        for email, name in plan.people:
            self.user(email, name, at, partner=partner)

    def raise_prices(self) -> Story:
        """The prices that changed within the demo's months, each on its day."""
        for plan in sorted((price for price in cast.PRICES if price.days_ago), key=_longest_ago):
            at = self.now - timedelta(days=plan.days_ago or 0)
            yield at
            price = self._price(plan, at.date())
            record(
                None,
                "add-price",
                price,
                f"{price.product} of {price.brand}: {price.amount} from {price.effective_on:%b %-d, %Y}",
                actor=self.staff[cast.BOOKKEEPER],
                at=at,
                after={"amount": price.amount.amount, "effective_on": price.effective_on},
            )

    def _price(self, plan: cast.PricePlan, effective_on: date) -> Price:
        return Price.objects.create(
            product=self.products[plan.product],
            brand=self.brands[plan.brand],
            amount=Decimal(plan.amount),
            amount_currency=plan.currency,
            effective_on=effective_on,
        )

    def user(self, email: str, name: str, at: datetime, **fields: Any) -> User:
        """Somebody who signs in with the demo's password; hashed once, which is slow on purpose."""
        user = User(email=email, full_name=name, joined_at=at, password=self.hashed, **fields)
        user.save()
        return user


def _longest_ago(price: cast.PricePlan) -> int:
    return -(price.days_ago or 0)


@dataclass(slots=True)
class Office:
    """A customer's office. `at` is the time on its clock, `by` the one who is at the panel."""

    stage: Stage
    plan: cast.AccountPlan
    account: Account = field(init=False)
    at: datetime = field(init=False)
    by: Actor = field(init=False)
    members: dict[str, Actor] = field(default_factory=dict)
    people: dict[str, EndUser] = field(default_factory=dict)
    new_names: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self.new_names = names(self.plan.slug)

    # --- time --------------------------------------------------------------------------------

    def ago(self, days: int, clock: str = "10:00") -> datetime:
        """A time of a day so many days before today, in the account's zone; never before the last one."""
        zone = ZoneInfo(self.plan.timezone)
        on = self.stage.now.astimezone(zone).date() - timedelta(days=days)
        wanted = datetime.combine(on, time.fromisoformat(clock), tzinfo=zone).astimezone(UTC)
        earlier = getattr(self, "at", wanted)
        self.at = max(wanted, earlier)
        return self.at

    def _act(self) -> tuple[Actor, datetime]:
        """Who acts, and when: people take a moment for each step."""
        self.at = min(self.at + timedelta(seconds=17), self.stage.now)
        return self.by, self.at

    # --- the account and who signs in ----------------------------------------------------------

    def open(self) -> None:
        """The onboarding team opens the account, for a partner if it sold it; its owner lets the others in."""
        zone = ZoneInfo(self.plan.timezone)
        ran_on = self.stage.now.astimezone(zone).date() - timedelta(days=3)
        self.by = self.stage.staff[cast.ONBOARDER]
        actor, at = self._act()
        self.account = open_account(
            self.stage.brands[self.plan.brand],
            self.plan.name,
            slug=self.plan.slug,
            bdom=self.plan.bdom or ran_on.day,
            currency=self.plan.currency,
            timezone=self.plan.timezone,
            billing_name=self.plan.name,
            billing_address=self.plan.billing_address,
            actor=actor,
            at=at,
        )
        if self.plan.extension_length != self.account.extension_length:
            self.account.extension_length = self.plan.extension_length
            self.account.save(update_fields=["extension_length"])
        for place, member in enumerate(self.plan.members):
            self._let_in(member, by=LOADER if place == 0 else self.by, place=place)
            self.by = self.members[self.plan.members[0].name]
        for partner in cast.PARTNERS:
            if self.plan.slug in partner.first_of:
                self.comes_in(partner)

    def comes_in(self, plan: cast.PartnerPlan) -> None:
        """The onboarding team brings a partner in (ACC-2)."""
        _, at = self._act()
        partner = self.stage.partners[plan.slug]
        bring_in_partner(self.account, partner, actor=self.stage.staff[cast.ONBOARDER], at=at)
        for person in partner.people.all():
            self.members[person.full_name] = Actor(user=person, address=PARTNER_ADDRESS)

    def _let_in(self, plan: cast.MemberPlan, *, by: Actor, place: int) -> None:
        _, at = self._act()
        user = User.objects.filter(email=plan.email).first()
        added = add_member(
            self.account,
            email=plan.email,
            full_name=plan.name,
            role=Role.OWNER if place == 0 else plan.role,
            actor=by,
            at=at,
        ).membership.user
        if user is None:
            added.password = self.stage.hashed
            added.save(update_fields=["password"])
        # One network for an office; those who work for several come from elsewhere.
        block = sum(self.plan.slug.encode()) % 250
        self.members[plan.name] = Actor(user=added, address=f"203.0.113.{block}")

    def signs_in(self, name: str) -> None:
        """From here on this person acts: a member, or somebody of a partner."""
        self.by = self.members[name]

    def site(
        self, name: str, street: str, city: str, region: str, postal_code: str, country: str = "US"
    ) -> Location:
        """A location with its emergency address."""
        actor, at = self._act()
        address = Address(street, city, region, postal_code, country)
        return add_location(self.account, name=name, address=address, actor=actor, at=at)

    # --- licences and end users ----------------------------------------------------------------

    def buy(self, quantity: int, product: str = UC_LICENCE) -> None:
        """Buy licences."""
        actor, at = self._act()
        add_licences(self.account, self.stage.products[product], quantity, actor=actor, at=at)

    def give_back(self, quantity: int, product: str = UC_LICENCE) -> None:
        """Give licences back that nobody holds."""
        actor, at = self._act()
        remove_licences(self.account, self.stage.products[product], quantity, actor=actor, at=at)

    def hire(
        self,
        name: str = "",
        department: str = "",
        *,
        site: Location | None = None,
        extension: str = "",
        number: str = "",
        is_licensed: bool = True,
    ) -> EndUser:
        """A new end user with a licence, and a number where one is named (see `number`)."""
        name = name or next(self.new_names)
        actor, at = self._act()
        end_user = add_end_user(
            self.account,
            name=name,
            email=address_of(name, self.plan.domain),
            extension=extension,
            department=department,
            location=site,
            actor=actor,
            at=at,
        )
        self.people[name] = end_user
        if is_licensed:
            self.license(end_user)
        if number:
            self.assign(self.number(number), end_user)
        return end_user

    def license(self, end_user: EndUser) -> None:
        """Give an end user a free UC licence."""
        actor, at = self._act()
        assign_licence(end_user, self.stage.products[UC_LICENCE], actor=actor, at=at)

    def unlicense(self, end_user: EndUser) -> None:
        """Take the UC licence; the numbers are parked (NUM-8)."""
        actor, at = self._act()
        unassign_licence(end_user, self.stage.products[UC_LICENCE], actor=actor, at=at)

    def leaves(self, end_user: EndUser) -> None:
        """An end user leaves the company."""
        actor, at = self._act()
        remove_end_user(end_user, actor=actor, at=at)
        self.people.pop(end_user.name, None)

    # --- numbers and services ------------------------------------------------------------------

    def number(self, wanted: str) -> Number:
        """A number, parked: one of one's own in international form, or the next of an area code."""
        typed = wanted
        if not wanted.startswith("+"):
            typed = free_inventory(self.account, area_code=wanted, limit=1)[0].e164
        actor, at = self._act()
        return add_number(self.account, typed, actor=actor, at=at)

    def assign(self, number: Number, to: Holder) -> None:
        """Assign a number, wherever it is."""
        actor, at = self._act()
        assign_number(number, to=to, actor=actor, at=at)

    def park(self, number: Number) -> None:
        """Take a number from its holder and keep it."""
        actor, at = self._act()
        park_number(number, actor=actor, at=at)

    def release(self, number: Number) -> None:
        """Give a number up."""
        actor, at = self._act()
        release_number(number, actor=actor, at=at)

    def swap(self, first: Number, second: Number) -> None:
        """Two numbers change places."""
        actor, at = self._act()
        swap_numbers(first, second, actor=actor, at=at)

    def service(self, kind: ServiceKind, name: str, *wanted: str, extension: str = "") -> Service:
        """A service with numbers (see `number`)."""
        actor, at = self._act()
        service = add_service(self.account, kind, name, extension=extension, actor=actor, at=at)
        for number in wanted:
            self.assign(self.number(number), service)
        return service

    def close(self, service: Service) -> None:
        """Remove a service; its numbers are parked."""
        actor, at = self._act()
        remove_service(service, actor=actor, at=at)

    # --- phones ----------------------------------------------------------------------------------

    def order(self, product: str, quantity: int) -> OrderLine:
        """Order hardware; it waits for its shipment."""
        actor, at = self._act()
        order = place_order(self.account, [(self.stage.products[product], quantity)], actor=actor, at=at)
        return order.lines.select_related("order__account", "product").get()

    def basket(self, site: Location | None, reference: str, **quantities: int) -> Order:
        """Confirm a basket in the panel: products by code, with _ for -."""
        actor, at = self._act()
        products = self.stage.products
        items = [(products[code.replace("_", "-")], count) for code, count in quantities.items()]
        key = uuid5(NAMESPACE_URL, f"{self.plan.slug} {reference}")
        return confirm_basket(
            self.account, key, items, reference=reference, ship_to=site, actor=actor, at=at
        )[0]

    def cancels(self, order: Order) -> None:
        """What has not shipped of an order is cancelled."""
        actor, at = self._act()
        for line in order.lines.select_related("order__account", "product"):
            if line.left:
                cancel_units(line, actor=actor, at=at)

    def arrive(self, line: OrderLine, *macs: str) -> list[Device]:
        """The provider ships units, each named by its MAC."""
        _, at = self._act()
        units = [Unit(mac, f"SN{place:03}{mac[-5:].replace(':', '')}") for place, mac in enumerate(macs, 1)]
        parcel = Parcel(line, len(units), units)
        actor = self.stage.staff[cast.ONBOARDER]
        shipment = ship(line.order, [parcel], carrier="UPS", actor=actor, at=at)
        return list(Device.objects.filter(units__shipment=shipment).order_by("pk"))

    def hand(self, device: Device, to: Holder, site: Location) -> None:
        """Assign a device, its emergency location acknowledged."""
        actor, at = self._act()
        assign_device(device, to=to, location=site, is_acknowledged=True, actor=actor, at=at)

    def plug_in(self, *devices: Device, starts: bool = True) -> None:
        """Phones fetch their configuration, and start unless they are told that they do not."""
        for device in devices:
            _, at = self._act()
            check_in(device, starts=starts, at=at)

    def breaks(self, device: Device, by: Device) -> None:
        """A device takes the place of a broken one."""
        actor, at = self._act()
        replace_device(device, by, retires=True, actor=actor, at=at)

    # --- the contact center ----------------------------------------------------------------------

    def install(self, edition: Edition) -> ContactCenter:
        """Install a contact center."""
        actor, at = self._act()
        return contact_center.install(self.account, edition, actor=actor, at=at)

    def staffs(self, product: str, *people: EndUser) -> None:
        """Assign contact center licences to end users."""
        for end_user in people:
            actor, at = self._act()
            assign_licence(end_user, self.stage.products[product], actor=actor, at=at)

    def add_items(self, *products: str, quantity: int = 1) -> None:
        """Enable channels and add-ons."""
        for product in products:
            actor, at = self._act()
            contact_center.add_items(self.account, self.stage.products[product], quantity, actor=actor, at=at)

    def storage(self, product: str) -> None:
        """Choose the recording storage."""
        actor, at = self._act()
        contact_center.change_storage(self.account, self.stage.products[product], actor=actor, at=at)

    def package(self, code: str) -> None:
        """Choose the toll-free package."""
        actor, at = self._act()
        contact_center.set_toll_free_package(self.account, code, actor=actor, at=at)

    def confirm_test_call(self, installed: ContactCenter) -> None:
        """Tick off the test call."""
        actor, at = self._act()
        contact_center.confirm_test_call(installed, actor=actor, at=at)

    def ask_to_go_live(self, installed: ContactCenter) -> None:
        """Ask the onboarding team to activate."""
        actor, at = self._act()
        contact_center.request_activation(installed, actor=actor, at=at)

    def team_notes(self, installed: ContactCenter, text: str) -> None:
        """The onboarding team writes something down for itself."""
        _, at = self._act()
        contact_center.write_note(installed, text, actor=self.stage.staff[cast.ONBOARDER], at=at)

    def team_activates(self, installed: ContactCenter, reason: str) -> None:
        """The onboarding team takes the contact center live."""
        _, at = self._act()
        contact_center.activate(installed, reason=reason, actor=self.stage.staff[cast.ONBOARDER], at=at)

    # --- what finance agrees with the customer ---------------------------------------------------

    def agree_price(self, product: str, price: str) -> None:
        """A new price for what the account has of a product, from its next BDOM (BIL-6)."""
        self.by = self.stage.staff[cast.BOOKKEEPER]
        actor, at = self._act()
        asked = Repricing(
            self.stage.products[product],
            Decimal(price),
            self.account.currency,
            self.account.local_date(at),
            accounts=(self.account.slug,),
        )
        reprice(asked, actor=actor, at=at)

    def take_over(self, product: str, quantity: int) -> None:
        """A charge of an earlier system, whose price nobody has entered: no action makes such a one.

        The next run cannot bill it, and holds the account (BIL-9).
        """
        self.by = self.stage.staff[cast.ONBOARDER]
        actor, at = self._act()
        with open_ledger(self.account, actor=actor, at=at) as ledger:
            found = self.stage.products[product]
            charge = ledger.open(found, quantity, unit_price=Decimal(0))
            charge.unit_price = None
            charge.save(update_fields=["unit_price"])
            ledger.record(
                "take-over-charge",
                found,
                f"Taken over from the earlier system, without a price: {quantity} × {found}",
                after={"quantity": quantity},
            )
