"""Every address of the panel, with every role: who gets in, who does not, and that nothing changes (ACC-1 to ACC-4).

PAGES says for each URL name what is expected. An address without a row fails the test, and so does a row without
an address. A new page is one line: its name, and `for_members`, `for_admins`, `for_billing`, `form`, `billing_form`,
`button`, `billing_button`, `for_staff`, `staff_form`, `staff_button` or `open_to_all`; `for_the_customer` around it
keeps partners out.
What its address needs beside the account is given as the name of something that a `Side` has (`pk="end_user.pk"`).
The other side's is then asked for under the own account too, and must be 404.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, reduce
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker

from accounts.links import link_tokens
from accounts.mail import queue_mail
from accounts.models import (
    Account,
    Brand,
    EndUser,
    Location,
    Membership,
    OutgoingMail,
    PartnerAccess,
    PartnerLevel,
    Role,
    User,
)
from accounts.permissions import FINANCE, ONBOARDING, SALES, STAFF_GROUPS, SUPPORT
from accounts.trail import Actor
from billing.invoicing import bill_due, start_run
from billing.licences import add_licences, assign_licence
from billing.models import (
    BankLine,
    CardSetup,
    Collection,
    Invoice,
    InvoiceRun,
    Order,
    Payment,
    PaymentMethod,
    PlanOrder,
    Product,
    Quote,
    Refund,
    Subscription,
    UsageImport,
)
from billing.orders import place_order
from billing.payments.banking import take_file
from billing.payments.collecting import begin_collection, drive
from billing.payments.refunds import ask_refund
from billing.queries import balance_of
from billing.quote_drafts import Details, compose_quote
from billing.quote_sending import send_quote
from hardware.devices import add_device, assign_device
from hardware.models import Device
from hardware.provisioning import check_in, secret_of
from telephony.contact_center import add_items, install
from telephony.models import Edition, Number, PortDirection, PortRequest, Service, ServiceKind
from telephony.numbers import add_number, assign_number
from telephony.porting import request_port
from telephony.services import add_service
from tests import factories
from tests.billing.subscribed import subscribe
from tests.conftest import PAGE_QUERIES
from tests.factories import AT, TESTS
from tests.paying import invoiced, transfer
from tests.planned import begin_test_card, order_of, paid, save_card

PRICED_QUERIES = 40
FORETOLD_QUERIES = 200

MEMBERS = (Role.OWNER, Role.ADMIN, Role.BILLING, Role.READ_ONLY)
FULL_PARTNER, READING_PARTNER = "partner: full administration", "partner: read-only"
PARTNERS = (FULL_PARTNER, READING_PARTNER)
CUSTOMERS = frozenset({*MEMBERS, *PARTNERS})
ALL_BUT_BILLING = CUSTOMERS - {Role.BILLING}
ADMINS = frozenset({Role.OWNER, Role.ADMIN, FULL_PARTNER})
BILLING_ADMINS = ADMINS | {Role.BILLING}


# What is expected


@dataclass(frozen=True)
class Page:
    """What is expected of one address.

    `readers` and `writers`: who may GET and who may POST, as roles, PARTNERS, staff groups or the words `anonymous`
    and `stranger`. `needs`: the kwargs beside `account`, as paths into a `Side`. `opens`: the status for readers.
    `refuses`: the status for the signed in who are neither. `query`: what follows the address, as a format of a `Side`.
    `pays`: it pays, so a suspension of the account does not close it (INV-6).
    `names_things`: what it needs belongs to an account, and is not a way of looking that all accounts share.
    """

    readers: frozenset[str] = frozenset()
    writers: frozenset[str] = frozenset()
    needs: Mapping[str, str] = field(default_factory=dict)
    opens: int = 200
    refuses: int = 404
    is_of_account: bool = True
    is_read: bool = True
    query: str = ""
    queries: int = PAGE_QUERIES
    names_things: bool = True
    pays: bool = False


def for_members(opens: int = 200, **needs: str) -> Page:
    """A page of the account that all but the billing role look at; nothing is written on it."""
    return Page(ALL_BUT_BILLING | STAFF_GROUPS, needs=needs, opens=opens)


def for_admins(opens: int = 200, **needs: str) -> Page:
    """A page of the account for owners and admins, and for staff to look at."""
    return Page(ADMINS | STAFF_GROUPS, needs=needs, opens=opens)


def for_billing(opens: int = 200, **needs: str) -> Page:
    """A billing page: all members look at it."""
    return Page(CUSTOMERS | STAFF_GROUPS, needs=needs, opens=opens)


def form(opens: int = 200, **needs: str) -> Page:
    """A page whose only use is to write: owners and admins, and nobody else even opens it."""
    return Page(ADMINS, ADMINS, needs, opens=opens)


def billing_form(opens: int = 200, **needs: str) -> Page:
    """A page to write on that the billing role may use too."""
    return Page(BILLING_ADMINS, BILLING_ADMINS, needs, opens=opens)


def priced(page: Page) -> Page:
    """A page that says what an action costs by doing it and taking it back, which asks what the action asks."""
    return replace(page, queries=PRICED_QUERIES)


def foretold(page: Page) -> Page:
    """A page that says what a quote will cost by accepting it, shipping it, billing it and taking all that back."""
    return replace(page, queries=FORETOLD_QUERIES)


def paying(page: Page) -> Page:
    """A page on which an account pays, suspended or not."""
    return replace(page, pays=True)


def for_the_customer(page: Page) -> Page:
    """A page that the customer's own people have for themselves: no partner opens it (ACC-2)."""
    return replace(page, readers=page.readers - {FULL_PARTNER}, writers=page.writers - {FULL_PARTNER})


def button(**needs: str) -> Page:
    """An address that takes POST alone, from owners and admins."""
    return Page(frozenset(), ADMINS, needs, is_read=False)


def billing_button(**needs: str) -> Page:
    """An address that takes POST alone, from those who may write on the billing pages."""
    return Page(frozenset(), BILLING_ADMINS, needs, is_read=False)


def for_staff(*groups: str, opens: int = 200, **needs: str) -> Page:
    """A page of these staff groups, 404 to all others (ACC-3)."""
    return Page(frozenset(groups), needs=needs, opens=opens, is_of_account=False)


def staff_form(*groups: str, opens: int = 200, **needs: str) -> Page:
    """A page on which these staff groups write."""
    return Page(frozenset(groups), frozenset(groups), needs, opens, is_of_account=False)


def staff_button(*groups: str, **needs: str) -> Page:
    """An address of the staff that takes POST alone."""
    return Page(frozenset(), frozenset(groups), needs, is_of_account=False, is_read=False)


def open_to_all(opens: int = 200, **needs: str) -> Page:
    """A page that shows nothing of an account and asks for no sign-in."""
    everybody = frozenset({*CUSTOMERS, *STAFF_GROUPS, "anonymous", "stranger"})
    return Page(everybody, everybody, needs, opens, is_of_account=False)


def for_signed_in(opens: int = 200, **needs: str) -> Page:
    """A page for whoever is signed in, that shows each what is theirs."""
    everybody = frozenset({*CUSTOMERS, *STAFF_GROUPS, "stranger"})
    return Page(everybody, frozenset(), needs, opens, is_of_account=False)


PAGES: dict[str, Page] = {
    "healthz": open_to_all(),
    "theme": Page(is_of_account=False, is_read=False, writers=open_to_all().writers),
    "brand-css": open_to_all(slug="account.brand.slug"),
    "style-guide": for_staff(*STAFF_GROUPS),
    "help:index": open_to_all(),
    "help:topic": open_to_all(slug="help_topic"),
    "start": for_signed_in(opens=302),
    "sign-in": Page(frozenset({"anonymous"}), open_to_all().writers, is_of_account=False, refuses=302),
    "sign-out": Page(is_of_account=False, is_read=False, writers=open_to_all().writers),
    "forgot-password": open_to_all(),
    "set-password": open_to_all(opens=302, uidb64="invited_key", token="invited_token"),
    "accounts:choose": for_signed_in(),
    "accounts:end-users": for_members(),
    "accounts:end-users-csv": for_members(),
    "accounts:end-user": for_members(pk="end_user.pk"),
    "accounts:end-user-add": form(),
    "accounts:end-user-edit": form(pk="end_user.pk"),
    "accounts:end-user-remove": form(pk="end_user.pk"),
    "accounts:end-users-import": form(),
    "accounts:end-users-import-sample": Page(ADMINS),
    "accounts:end-users-import-review": form(opens=404, token="token"),
    "accounts:end-users-import-rows": Page(ADMINS, needs={"token": "token"}, opens=404),
    "accounts:locations": for_members(),
    "accounts:locations-csv": for_members(),
    "accounts:location": for_members(pk="location.pk"),
    "accounts:location-add": form(),
    "accounts:location-edit": form(pk="location.pk"),
    "accounts:location-remove": form(pk="location.pk"),
    "accounts:administrators": for_members(),
    "accounts:administrator-add": form(),
    "accounts:administrator-role": form(pk="membership.pk"),
    "accounts:administrator-remove": form(pk="membership.pk"),
    "accounts:administrator-link": button(pk="membership.pk"),
    "accounts:administrator-link-shown": Page(ADMINS, opens=302),
    "accounts:partner-raise": for_the_customer(form(pk="partner.pk")),
    "accounts:partner-lower": for_the_customer(button(pk="partner.pk")),
    "accounts:partner-remove": for_the_customer(form(pk="partner.pk")),
    "accounts:activity": for_admins(),
    "accounts:activity-csv": for_admins(),
    "home": for_members(),
    "search": for_members(),
    "billing:licences": for_members(),
    "billing:licence-add": priced(form()),
    "billing:licence-remove": priced(form()),
    "billing:end-user-licences": for_members(pk="end_user.pk"),
    "billing:end-user-licences-edit": form(pk="end_user.pk"),
    "billing:subscriptions": for_members(),
    "billing:subscriptions-csv": for_members(),
    "billing:subscription": for_members(pk="subscription.pk"),
    "billing:subscription-add": priced(form()),
    "billing:subscription-buy": priced(form(pk="subscription.pk")),
    "billing:subscription-give-back": priced(form(pk="subscription.pk")),
    "billing:subscription-commitments": priced(form(pk="subscription.pk")),
    "billing:subscription-end": priced(form(pk="subscription.pk")),
    "billing:overage": priced(for_billing()),
    "billing:subscription-people": replace(for_members(pk="subscription.pk"), writers=ADMINS),
    "billing:subscription-people-csv": for_members(pk="subscription.pk"),
    "billing:usage": for_billing(),
    "billing:usage-by": replace(for_billing(by="looked_at_by"), names_things=False),
    "billing:usage-by-csv": replace(for_billing(by="looked_at_by"), names_things=False),
    "billing:usage-records": for_billing(),
    "billing:usage-records-csv": for_billing(),
    "billing:overview": paying(for_billing()),
    "billing:next-invoice": for_billing(),
    "billing:quote": priced(for_billing()),
    "billing:charges": for_billing(),
    "billing:charges-csv": for_billing(),
    "billing:invoices": for_billing(),
    "billing:invoices-csv": for_billing(),
    "billing:invoice": paying(for_billing(number="invoice.number")),
    "billing:invoice-csv": for_billing(number="invoice.number"),
    "billing:collection": paying(for_billing(key="collection.key")),
    "billing:collection-cancel": paying(billing_button(key="collection.key")),
    "billing:cards": paying(for_billing()),
    "billing:card-add": paying(billing_form()),
    "billing:card-continue": paying(Page(BILLING_ADMINS, needs={"key": "card_setup.key"})),
    "billing:card-return": paying(Page(BILLING_ADMINS, needs={"key": "card_setup.key"}, opens=302)),
    "billing:card-default": paying(billing_button(pk="card.pk")),
    "billing:card-remove": billing_form(pk="card.pk"),
    "billing:test-bank-card": paying(billing_form(key="card_setup.key")),
    "billing:test-bank-confirm": paying(billing_form(key="collection.gateway_id")),
    "billing:plans": for_billing(),
    "billing:plan": for_billing(),
    "billing:plan-try": billing_form(),
    "billing:plan-choose": billing_form(),
    "billing:plan-schedule": billing_form(opens=302),
    "billing:plan-unsubscribe": billing_form(),
    "billing:plan-keep": billing_button(),
    "billing:plan-orders-csv": for_billing(),
    "billing:plan-order": paying(replace(for_billing(key="plan_order.key"), writers=BILLING_ADMINS)),
    "billing:plan-order-cancel": billing_button(key="plan_order.key"),
    "billing:payments": paying(for_billing()),
    "billing:payments-csv": for_billing(),
    "billing:payment": for_billing(pk="payment.pk"),
    "billing:pay": paying(billing_form()),
    "billing:collect-by-card": Page(frozenset(), BILLING_ADMINS, is_read=False),
    "billing:statement": for_billing(),
    "billing:statement-csv": for_billing(),
    "telephony:numbers": for_members(),
    "telephony:numbers-csv": for_members(),
    "telephony:numbers-bulk": button(),
    "telephony:number-add": form(),
    "telephony:number-assign-to": replace(form(), query="to=end-user:{0.end_user.pk}"),
    "telephony:number-ports": for_members(),
    "telephony:number-ports-csv": for_members(),
    "telephony:number-port-in": priced(form()),
    "telephony:number-port-out": priced(form()),
    "telephony:number-port": priced(for_members(pk="port.pk")),
    "telephony:number-port-submit": button(pk="port.pk"),
    "telephony:number-port-cancel": form(pk="port.pk"),
    "telephony:number": for_members(pk="number.pk"),
    "telephony:number-assign": form(pk="number.pk"),
    "telephony:number-swap": form(pk="number.pk"),
    "telephony:number-park": priced(form(pk="number.pk")),
    "telephony:number-release": priced(form(pk="number.pk")),
    "telephony:number-toll-free": replace(for_members(pk="toll_free.pk"), writers=ADMINS),
    "telephony:services": for_members(),
    "telephony:services-csv": for_members(),
    "telephony:service-add": form(),
    "telephony:service": for_members(pk="service.pk"),
    "telephony:service-edit": form(pk="service.pk"),
    "telephony:service-remove": priced(form(pk="service.pk")),
    "telephony:contact-center": for_members(),
    "telephony:contact-center-install": form(opens=302),
    "telephony:contact-center-ready": button(),
    "telephony:contact-center-test-call": button(),
    "telephony:contact-center-subscription": for_members(),
    "telephony:contact-center-add": priced(form()),
    "telephony:contact-center-remove": priced(form()),
    "telephony:contact-center-storage": form(),
    "telephony:contact-center-users": replace(for_members(), writers=ADMINS),
    "telephony:contact-center-users-csv": for_members(),
    "telephony:contact-center-numbers": for_members(),
    "telephony:contact-center-numbers-csv": for_members(),
    "telephony:contact-center-toll-free": replace(for_members(), writers=ADMINS),
    "hardware:devices": for_members(),
    "hardware:devices-csv": for_members(),
    "hardware:device": for_members(pk="device.pk"),
    "hardware:device-assign-to": replace(form(), query="to=end-user:{0.end_user.pk}"),
    "hardware:device-assign": form(pk="device.pk"),
    "hardware:device-location": form(pk="device.pk"),
    "hardware:device-swap": form(pk="device.pk"),
    "hardware:device-replace": form(pk="device.pk"),
    "hardware:device-unassign": form(pk="device.pk"),
    "hardware:device-secret": form(pk="device.pk"),
    "hardware:device-retire": form(pk="device.pk"),
    "hardware:orders": for_billing(),
    "hardware:orders-csv": for_billing(),
    "hardware:order-new": Page(ADMINS),
    "hardware:order-review": form(opens=302),
    "hardware:order": for_billing(pk="order.pk"),
    "hardware:order-cancel": form(pk="order.pk"),
    "provision:file": replace(open_to_all(mac="mac"), query="key={0.secret}"),
    "provision:line": replace(open_to_all(mac="conference_mac"), query="key={0.conference_secret}"),
    "provision:file-by-secret": open_to_all(mac="mac", secret="secret"),
    "provision:line-by-secret": open_to_all(mac="conference_mac", secret="conference_secret"),
    "finance:invoices": for_staff(FINANCE),
    "finance:invoices-csv": for_staff(FINANCE),
    "finance:lines-csv": for_staff(FINANCE),
    "finance:totals": for_staff(FINANCE),
    "finance:invoice": for_staff(FINANCE, number="invoice.number"),
    "finance:pay": staff_form(FINANCE, number="open_invoice.number"),
    "finance:void": staff_form(FINANCE, number="invoice.number"),
    "finance:credit": staff_form(FINANCE, number="invoice.number"),
    "finance:dunning": for_staff(FINANCE),
    "finance:dunning-csv": for_staff(FINANCE),
    "finance:dunning-account": for_staff(FINANCE, slug="account.slug"),
    "finance:dunning-suspend": staff_form(FINANCE, slug="account.slug"),
    "finance:dunning-lift": staff_form(FINANCE, slug="account.slug"),
    "finance:dunning-hold": staff_form(FINANCE, slug="account.slug"),
    "finance:payments": for_staff(FINANCE),
    "finance:payments-csv": for_staff(FINANCE),
    "finance:payment": for_staff(FINANCE, pk="payment.pk"),
    "finance:refund": staff_form(FINANCE, pk="payment.pk"),
    "finance:refunds": for_staff(FINANCE),
    "finance:refunds-csv": for_staff(FINANCE),
    "finance:refund-sent": staff_form(FINANCE, pk="refund.pk"),
    "finance:refund-off": staff_form(FINANCE, pk="refund.pk"),
    "finance:refund-again": staff_button(FINANCE, pk="refund.pk"),
    "finance:transfer-for": for_staff(FINANCE),
    "finance:transfer": staff_form(FINANCE, slug="account.slug"),
    "finance:credits": for_staff(FINANCE),
    "finance:credits-csv": for_staff(FINANCE),
    "finance:bank-files": for_staff(FINANCE),
    "finance:bank-sample": for_staff(FINANCE),
    "finance:bank-upload": staff_form(FINANCE),
    "finance:bank-review": staff_form(FINANCE, opens=302, digest="digest"),
    "finance:bank-review-csv": for_staff(FINANCE, opens=302, digest="digest"),
    "finance:bank-file": for_staff(FINANCE, pk="bank_line.file_id"),
    "finance:bank-lines": for_staff(FINANCE),
    "finance:bank-lines-csv": for_staff(FINANCE),
    "finance:bank-line": for_staff(FINANCE, pk="bank_line.pk"),
    "finance:bank-line-assign": staff_form(FINANCE, pk="bank_line.pk", slug="account.slug"),
    "finance:bank-line-dismiss": staff_form(FINANCE, pk="bank_line.pk"),
    "finance:bank-line-take-up": staff_button(FINANCE, pk="bank_line.pk"),
    "finance:rates": for_staff(FINANCE),
    "finance:rates-csv": for_staff(FINANCE),
    "finance:rate": for_staff(FINANCE, code="meter"),
    "finance:rate-add": staff_form(FINANCE, code="meter"),
    "finance:rerate": staff_form(FINANCE, code="meter"),
    "finance:rate-deck": for_staff(FINANCE),
    "finance:rate-deck-csv": for_staff(FINANCE),
    "finance:rate-deck-sample": for_staff(FINANCE),
    "finance:rate-deck-import": staff_form(FINANCE),
    "finance:rate-deck-review": staff_form(FINANCE, opens=302, digest="digest"),
    "finance:rate-deck-review-csv": for_staff(FINANCE, opens=302, digest="digest"),
    "staff:runs": for_staff(*STAFF_GROUPS),
    "staff:run": for_staff(*STAFF_GROUPS, pk="run.pk"),
    "staff:run-again": staff_button(FINANCE, pk="run.pk"),
    "staff:runs-again": staff_button(FINANCE),
    "imports:imports": for_staff(FINANCE, SUPPORT),
    "imports:imports-csv": for_staff(FINANCE, SUPPORT),
    "imports:sample": for_staff(FINANCE, SUPPORT),
    "imports:send": staff_form(FINANCE, SUPPORT),
    "imports:import": for_staff(FINANCE, SUPPORT, pk="usage_import.pk"),
    "imports:faults-csv": for_staff(FINANCE, SUPPORT, pk="usage_import.pk"),
    "quotes:quotes": for_staff(SALES),
    "quotes:quotes-csv": for_staff(SALES),
    "quotes:compose": staff_form(SALES),
    "quotes:quote": foretold(for_staff(SALES, pk="offered.pk")),
    "quotes:edit": foretold(staff_form(SALES, pk="drafted.pk")),
    "quotes:pdf": foretold(for_staff(SALES, pk="offered.pk")),
    "quotes:send": staff_button(SALES, pk="drafted.pk"),
    "quotes:copy": staff_button(SALES, pk="quote.pk"),
    "quotes:against-invoice": priced(for_staff(SALES, pk="quote.pk")),
    "offer:offer": foretold(replace(open_to_all(token="offered.token"), writers=frozenset())),
    "offer:pdf": foretold(replace(open_to_all(token="offered.token"), writers=frozenset())),
    "offer:accept": Page(
        needs={"token": "offered.token"}, is_of_account=False, is_read=False, writers=open_to_all().writers
    ),
    "offer:decline": Page(
        needs={"token": "offered.token"}, is_of_account=False, is_read=False, writers=open_to_all().writers
    ),
    # Where no secret is set there is no such address; tests/payments/test_webhook.py has it with one.
    "webhooks:stripe": open_to_all(opens=404),
    "staff:mail": for_staff(ONBOARDING, SUPPORT),
    "staff:mail-message": for_staff(ONBOARDING, SUPPORT, pk="mail.pk"),
    "staff:mail-html": for_staff(ONBOARDING, SUPPORT, pk="mail.pk"),
}

# Django's own admin makes its addresses itself; what staff may do there is the business of tests/accounts/test_admin.
ADMIN_PAGES = "admin:*"


# The world in which they are asked


@dataclass
class Side:
    """One account with something of everything in it. Rows of PAGES name what is in here."""

    account: Account
    people: dict[str, User]
    membership: Membership
    partner: PartnerAccess
    invited: User
    end_user: EndUser
    location: Location
    product: Product
    number: Number
    parked: Number
    toll_free: Number
    service: Service
    subscription: Subscription
    mail: OutgoingMail
    device: Device
    conference: Device
    usage_import: UsageImport
    port: PortRequest
    quote: Quote
    offered: Quote
    drafted: Quote
    order: Order
    plan_order: PlanOrder
    card: PaymentMethod
    card_setup: CardSetup
    collection: Collection
    invoice: Invoice = field(init=False)
    payment: Payment = field(init=False)
    refund: Refund = field(init=False)
    open_invoice: Invoice = field(init=False)
    bank_line: BankLine = field(init=False)
    run: InvoiceRun = field(init=False)
    help_topic: str = "billing"
    meter: str = "domestic-local"
    looked_at_by: str = "number"
    digest: str = "0" * 64
    token: str = "0" * 32

    @property
    def mac(self) -> str:
        """A device's MAC as its phone writes it."""
        return self.device.mac.replace(":", "").lower()

    @property
    def secret(self) -> str:
        """With which that phone comes."""
        return secret_of(self.device)

    @property
    def conference_mac(self) -> str:
        """The MAC of a phone of the other family."""
        return self.conference.mac.replace(":", "").lower()

    @property
    def conference_secret(self) -> str:
        """With which that one comes."""
        return secret_of(self.conference)

    @property
    def invited_key(self) -> str:
        """The person in a link to choose a password."""
        return urlsafe_base64_encode(force_bytes(self.invited.pk))

    @property
    def invited_token(self) -> str:
        """The secret in that link."""
        return link_tokens.make_token(self.invited)

    def named(self, path: str) -> Any:
        """What a row of PAGES names, such as `end_user.pk`."""
        return reduce(getattr, path.split("."), self)


def side(brand: Brand, slug: str, place: int) -> Side:
    """An account with people in every role and of two partners, and with one of everything they manage."""
    account = factories.AccountFactory(brand=brand, slug=slug, name=f"{slug.title()} Ltd")
    people: dict[str, User] = {role: factories.member(account, role) for role in MEMBERS}
    people[FULL_PARTNER] = factories.partner_user(account, PartnerLevel.FULL)
    people[READING_PARTNER] = factories.partner_user(account, PartnerLevel.READ_ONLY)
    invited = User.objects.create_user(f"new@{slug}.example", full_name=f"New at {slug}")
    membership = factories.MembershipFactory(account=account, user=invited, role=Role.READ_ONLY)
    end_user = factories.EndUserFactory(account=account, name=f"Uma of {slug}", extension=f"100{place}")
    product = Product.objects.get(pk="uc-licence")
    add_licences(account, product, 2, actor=TESTS, at=AT)
    assign_licence(end_user, product, actor=TESTS, at=AT)
    number = add_number(account, f"+1212555010{place}", actor=TESTS, at=AT)
    assign_number(number, to=end_user, actor=TESTS, at=AT)
    toll_free = add_number(account, f"+1800555010{place}", actor=TESTS, at=AT)
    assign_number(toll_free, to=end_user, actor=TESTS, at=AT)
    install(account, Edition.PRO, actor=TESTS, at=AT)
    add_items(account, Product.objects.get(pk="cc-channel-chat"), 1, actor=TESTS, at=AT)
    return Side(
        account=account,
        people=people,
        membership=membership,
        partner=PartnerAccess.objects.get(account=account, is_first=False),
        invited=invited,
        end_user=end_user,
        location=factories.LocationFactory(account=account),
        product=product,
        number=Number.objects.get(pk=number.pk),
        parked=add_number(account, f"+1212555020{place}", actor=TESTS, at=AT),
        toll_free=Number.objects.get(pk=toll_free.pk),
        service=add_service(account, ServiceKind.HUNT_GROUP, f"Sales of {slug}", actor=TESTS, at=AT),
        subscription=subscribe(
            account, f"Term of {slug}", AT.date(), AT.date() + timedelta(days=300), {product.pk: 1}
        ),
        mail=queue_mail(account, "contact-center-activated", [f"owner@{slug}.example"], {}, at=AT)[0],
        device=phone(end_user, "phone-desk-basic", f"00:15:65:00:00:0{place}"),
        conference=phone(end_user, "phone-conference", f"00:04:F2:00:00:0{place}"),
        usage_import=UsageImport.objects.create(
            name="calls.csv", size=1, source=UsageImport.Source.COMMAND, by="tests", created_at=AT
        ),
        port=request_port(
            account,
            PortDirection.IN,
            [f"+1212555030{place}"],
            carrier=f"Carrier of {slug}",
            authorised_by=f"Ann of {slug}",
            actor=TESTS,
            at=AT,
        ),
        quote=accepted_quote(account, product, factories.staff(SALES)),
        offered=sent_quote(brand, product, factories.staff(SALES)),
        drafted=draft_quote(brand, product, factories.staff(SALES)),
        order=place_order(
            account,
            [(Product.objects.get(pk="phone-desk-basic"), 2)],
            reference=f"PO {slug}",
            actor=TESTS,
            at=AT,
        ),
        plan_order=paid(order_of(account, months=24, at=AT), at=AT),
        card=save_card(account, at=AT),
        card_setup=begin_test_card(account, at=AT),
        collection=declined(account),
    )


def declined(account: Account) -> Collection:
    """A payment of what the account owes that its bank said no to."""
    card = save_card(account, "declined", at=AT)
    begun = begin_collection(account, Decimal(20), card, off_session=False, actor=TESTS, at=AT)
    return drive(begun, actor=TESTS, clock=lambda: AT)


def draft_quote(brand: Brand, product: Product, by: User) -> Quote:
    """A quote that its representative still writes."""
    details = Details(
        brand=brand,
        company="Elsewhere",
        contact_name="Ann Reyes",
        contact_email="ann@elsewhere.example",
        currency="USD",
        timezone="America/New_York",
        language="en-us",
        valid_until=date(9999, 1, 1),
    )
    return compose_quote(details, {product: (2, Decimal(20))}, actor=Actor(user=by), at=AT)


def sent_quote(brand: Brand, product: Product, by: User) -> Quote:
    """A quote that the customer has."""
    return send_quote(draft_quote(brand, product, by), actor=TESTS, at=AT)


def accepted_quote(account: Account, product: Product, by: User) -> Quote:
    """A quote as if it had opened this account."""
    quote = sent_quote(account.brand, product, by)
    item = (Product.objects.get(pk="phone-desk-basic"), 1)
    quote.accept("Ann Reyes", AT, account, place_order(account, [item], actor=TESTS, at=AT))
    quote.save()
    return quote


def phone(end_user: EndUser, product: str, mac: str) -> Device:
    """A device of an end user. Its check-in lies ahead, so that another one within the test is not written."""
    account = end_user.account
    device = assign_device(
        add_device(account, Product.objects.get(pk=product), mac, actor=TESTS, at=AT),
        to=end_user,
        location=factories.LocationFactory(account=account),
        is_acknowledged=True,
        actor=TESTS,
        at=AT,
    )
    check_in(device, starts=True, at=timezone.now() + timedelta(days=1))
    return device


def bill(*sides: Side) -> None:
    """Run the invoices that are due, and give each side its last one."""
    as_of = AT + timedelta(days=40)
    run = start_run(as_of, trigger=InvoiceRun.Trigger.COMMAND, by="tests", at=as_of)
    bill_due(run, at=as_of)
    for each in sides:
        each.run = InvoiceRun.objects.get(pk=run.pk)
        each.invoice = Invoice.objects.filter(account=each.account).latest("pk")
        money(each, as_of)


def money(side: Side, at: datetime) -> None:
    """Give a side a payment with something left of it, a refund on its way, and a transfer that nobody knows."""
    account, slug = side.account, side.account.slug
    amount = balance_of(account, account.local_date(at)).owed + 10
    side.payment = transfer(account, amount, account.local_date(at), actor=TESTS, at=at)
    side.refund = ask_refund(side.payment, Decimal(2), reason="Too much", actor=TESTS, at=at)
    side.open_invoice = invoiced(account, Decimal(20), account.local_date(at), actor=TESTS, at=at)
    row = f"date,amount,currency,payer,text,id\n2026-03-03,5.00,USD,{slug},hello,{slug}-1\n"
    file = take_file(
        [line.encode() for line in row.splitlines(keepends=True)], name="b.csv", actor=TESTS, at=at
    )
    side.bank_line = file.lines.get()


@dataclass
class World:
    """Two accounts of one brand that must not know of each other, and the staff."""

    ours: Side
    theirs: Side
    staff: dict[str, User]
    sessions: dict[str, str] = field(default_factory=dict)

    def sign_in(self) -> None:
        """Sign everybody in, once for all tests: it is as much work as asking for a page."""
        people = {**self.ours.people, **self.staff, "stranger": self.theirs.people[Role.OWNER]}
        for persona, user in people.items():
            client = Client()
            client.force_login(user)
            self.sessions[persona] = client.cookies[settings.SESSION_COOKIE_NAME].value

    def client(self, persona: str) -> Client:
        """A browser of its own, in which this persona is signed in."""
        client = Client()
        if persona in self.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[persona]
        return client


PERSONAS = (*MEMBERS, *PARTNERS, *sorted(STAFF_GROUPS), "stranger", "anonymous")


@pytest.fixture(scope="module")
def _built(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Built once: each test works in a transaction inside this one, and takes back what it did."""
    with django_db_blocker.unblock(), transaction.atomic():
        brand = factories.BrandFactory()
        groups = {group: factories.staff(group) for group in (ONBOARDING, FINANCE, SUPPORT, SALES)}
        world = World(side(brand, "ours", 1), side(brand, "theirs", 2), groups)
        bill(world.ours, world.theirs)
        world.sign_in()
        yield world
        transaction.set_rollback(True)


@pytest.fixture
def world(_built: World, db: None) -> World:
    return _built


@cache
def questions() -> dict[str, tuple[str, tuple[Any, ...]]]:
    """For each table of the panel the SQL that asks for its rows: composing it takes longer than asking."""
    labels = ("accounts", "billing", "telephony", "hardware")
    models = [model for label in labels for model in apps.get_app_config(label).get_models()]
    rows: dict[str, QuerySet[Any, Any]] = {
        model._meta.label: model._default_manager.order_by("pk").values_list() for model in models
    }
    # Signing in is written by the test itself.
    users = User.objects.order_by("pk").values_list("pk", "email", "password", "is_staff", "is_active")
    rows |= {"accounts.User": users, "auth.Group": Group.objects.order_by("pk").values_list()}
    return {name: found.query.sql_with_params() for name, found in rows.items()}


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the panel, to see that nothing changed."""
    found = {}
    with connection.cursor() as cursor:
        for name, (sql, values) in questions().items():
            cursor.execute(sql, values)
            found[name] = cursor.fetchall()
    return found


def patterns(found: list[URLPattern | URLResolver], namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address with its full name."""
    for pattern in found:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from patterns(pattern.url_patterns, inner)
        else:
            yield f"{namespace}{pattern.name or pattern.pattern}", pattern


ADDRESSES = dict(patterns(get_resolver().url_patterns))
OWN_ADDRESSES = sorted(name for name in ADDRESSES if not fnmatch.fnmatch(name, ADMIN_PAGES))


def address(name: str, page: Page, account: Account, needs: Side) -> str:
    """The address of a page, under an account, with what it needs from a side."""
    kwargs = {key: needs.named(path) for key, path in page.needs.items()}
    if page.is_of_account:
        kwargs["account"] = account.slug
    query = f"?{page.query.format(needs)}" if page.query else ""
    return reverse(name, kwargs=kwargs) + query


def body(response: HttpResponseBase) -> bytes:
    """All that was answered."""
    if isinstance(response, StreamingHttpResponse):
        return b"".join(response)
    return bytes(getattr(response, "content", b""))


# The tests


def test_every_address_has_a_row() -> None:
    """An address that PAGES does not know is an address nobody thought about."""
    unknown = [name for name in OWN_ADDRESSES if name not in PAGES]
    gone = [name for name in PAGES if name not in ADDRESSES]
    assert not unknown, f"add a row to PAGES for: {', '.join(unknown)}"
    assert not gone, f"PAGES has rows for what is no address: {', '.join(gone)}"


@pytest.mark.parametrize("name", [name for name in OWN_ADDRESSES if name in PAGES])
class TestAddress:
    """One address, asked by everybody."""

    def test_get(
        self, name: str, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        """ACC-1, ACC-3, ACC-4: who opens the page, at no more queries than a page may ask, and changes nothing."""
        page = PAGES[name]
        url = address(name, page, world.ours.account, world.ours)
        before = everything()
        for persona in PERSONAS:
            client = world.client(persona)
            with django_assert_max_num_queries(page.queries):
                response = client.get(url)
                answer = body(response)
            expected = self.expected(page, persona, page.readers, page.opens)
            if not page.is_read and persona not in {"anonymous", "stranger"}:
                # Nobody reads it; whoever may not write either may as well be told that.
                assert response.status_code in {405, 403, 404}, f"{persona} gets {response.status_code}"
                continue
            allowed = {expected} if page.is_read else {expected, 405}
            assert response.status_code in allowed, f"{persona} gets {response.status_code}, not {expected}"
            if persona in {"anonymous", "stranger"} and page.is_of_account:
                assert world.ours.account.name.encode() not in answer, f"the name leaks to {persona} (ACC-4)"
        assert everything() == before

    def test_post(self, name: str, world: World) -> None:
        """ACC-4: who may not write is refused, and nothing changes."""
        page = PAGES[name]
        url = address(name, page, world.ours.account, world.ours)
        before = everything()
        for persona in PERSONAS:
            if persona in page.writers:
                continue
            response = world.client(persona).post(url, {"role": Role.OWNER, "quantity": "1"})
            expected = self.expected(page, persona, frozenset(), 0)
            # A page on which nothing is written at all may say so (405) to those who may look.
            allowed = {expected} if page.writers else {expected, 405}
            assert response.status_code in allowed, f"{persona} gets {response.status_code}, not {expected}"
            assert everything() == before, f"{persona} changed something"

    def test_empty_post(self, name: str, world: World) -> None:
        """Nothing sent is answered with a message, never with an error of the panel."""
        page = PAGES[name]
        for persona in sorted(page.writers):
            url = address(name, page, world.ours.account, world.ours)
            response = world.client(persona).post(url)
            assert response.status_code < 500, f"{persona} gets {response.status_code}"

    def test_other_accounts_things(self, name: str, world: World) -> None:
        """ACC-4: what belongs to another account is not found under the own one, by looking nor by writing."""
        page = PAGES[name]
        if not (page.is_of_account and page.names_things and (page.needs or page.query)):
            return
        client = world.client(Role.OWNER)
        url = address(name, page, world.ours.account, world.theirs)
        before = everything()
        got, posted = client.get(url), client.post(url, {"role": Role.OWNER, "quantity": "1"})
        assert got.status_code in ({404} if page.is_read else {404, 405})
        assert posted.status_code in ({404} if page.writers else {404, 405})
        for answer in (got, posted):
            assert world.theirs.account.name.encode() not in body(answer)
        assert everything() == before

    def test_suspended(self, name: str, world: World) -> None:
        """INV-6: in a suspended account nothing is written but what pays; who may look still looks."""
        page = PAGES[name]
        if not page.is_of_account:
            return
        factories.suspended(world.ours.account)
        url = address(name, page, world.ours.account, world.ours)
        if page.pays:
            for persona in sorted(page.writers):
                posted = world.client(persona).post(url)
                assert posted.status_code != 403, f"{persona} cannot pay"
            return
        before = everything()
        for persona in sorted(page.writers):
            client = world.client(persona)
            posted = client.post(url, {"role": Role.OWNER, "quantity": "1"})
            assert posted.status_code == 403, f"{persona} gets {posted.status_code}"
            assert b"is suspended since" in posted.content
            assert everything() == before, f"{persona} changed something"
        for persona in sorted(page.readers):
            # A page whose only use is to write is not opened either; what admins alone see may be such a page.
            allowed = {page.opens, 403} if page.readers <= BILLING_ADMINS else {page.opens}
            if persona in page.writers:
                allowed.add(403)
            got = world.client(persona).get(url)
            body(got)
            assert got.status_code in allowed, f"{persona} gets {got.status_code}, not {page.opens}"
        assert everything() == before

    def test_bad_parameters(self, name: str, world: World) -> None:
        """Nonsense in the address is answered with a page or a 4xx."""
        page = PAGES[name]
        url = address(name, page, world.ours.account, world.ours)
        for persona in sorted(page.readers & {Role.OWNER, FINANCE})[:1]:
            client = world.client(persona)
            for query in (
                "q=%00%22'",
                "after=!!",
                "before=WzFd",
                "sort=nope&state=?",
                "page=-1&first=2026-99-99",
            ):
                response = client.get(f"{url}{'&' if '?' in url else '?'}{query}")
                body(response)
                assert response.status_code < 500, query

    @staticmethod
    def expected(page: Page, persona: str, those: frozenset[str], opens: int) -> int:
        """The status for a persona: in, on to signing in, not there, or not allowed."""
        if persona in those:
            return opens
        if persona == "anonymous":
            return 302
        if page.is_of_account and persona != "stranger":
            return 403
        return page.refuses


@pytest.mark.parametrize("name", sorted(name for name in ADDRESSES if fnmatch.fnmatch(name, ADMIN_PAGES)))
def test_administration_is_for_staff(name: str, world: World) -> None:
    """ACC-3: no customer finds the administration, whatever its address."""
    try:
        url = reverse(name, kwargs=dict.fromkeys(ADDRESSES[name].pattern.converters, 1))
    except NoReverseMatch:
        # Those that take part of the address without naming it.
        url = "/admin/anything/else/"
    for persona in (*MEMBERS, *PARTNERS, "stranger"):
        client = world.client(persona)
        assert client.get(url).status_code == 404, persona
        assert client.post(url).status_code == 404, persona
    anonymous = world.client("anonymous")
    assert anonymous.get(url).status_code == 302
    assert anonymous.get(url).headers["Location"].startswith("/sign-in/")
