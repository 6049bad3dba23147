"""Actions on the contact center: install, set up, ask to go live, activate (ONB-1 to ONB-10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from django.db import models

from accounts.models import Account, Brand
from accounts.permissions import ONBOARDING, is_in_group
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.charges import Ledger, open_ledger
from billing.explain import label_words
from billing.licences import check_quantity
from billing.models import Charge, Family, Product
from billing.packages import included_minutes, minutes_of, package_charge, set_package_in
from telephony.models import ContactCenter, Edition, OnboardingNote, OnboardingState, Service, ServiceKind

INSTALLED = "contact-center-installed"
ACTIVE = "contact-center-active"
LIMIT = "contact-center-onboarding"
MOST_LICENCES = 2

LICENCES = {
    Edition.EXPRESS: "cc-express-licence",
    Edition.PRO: "cc-pro-licence",
    Edition.ELITE: "cc-elite-licence",
}
STORAGE = ("cc-recording-10", "cc-recording-100", "cc-recording-1000")

# Told when a contact center was installed, asked for, or activated; mail is sent from here.
Listener = Callable[[ContactCenter, str, Actor, datetime], None]
_listeners: list[Listener] = []


def when_moved(listener: Listener) -> Listener:
    """Register what has to follow: called with the contact center, what happened, who and when."""
    if listener not in _listeners:
        _listeners.append(listener)
    return listener


def contact_center_of(account: Account) -> ContactCenter | None:
    """The account's contact center, or None where none is installed. One query."""
    return ContactCenter.objects.filter(account=account).select_related("service", "account__brand").first()


def install(account: Account, edition: Edition, *, actor: Actor, at: datetime) -> ContactCenter:
    """Install a contact center. Pro and Elite are in onboarding at once, Express is active (ONB-1).

    Raises Refused where one is installed already.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        if ContactCenter.objects.filter(account=account).exists():
            raise Refused(
                "Contact Center is installed in this account already. Nothing was changed.",
                rule="ONB-1",
                field="edition",
            )
        service = Service.objects.create(
            account=account,
            kind=ServiceKind.CONTACT_CENTER,
            name=edition.label,
            added_on=ledger.on,
        )
        contact_center = ContactCenter(
            account=account, service=service, edition=edition, installed_on=ledger.on, installed_at=at
        )
        ledger.meet_condition(INSTALLED)
        if edition == Edition.EXPRESS:
            ledger.meet_condition(ACTIVE)
            contact_center.activate(ledger.on, at, actor.label[:120], "Express has no onboarding", "ONB-1")
        else:
            ledger.set_limit(
                LIMIT, list(LICENCES.values()), MOST_LICENCES, _limit_words(account.brand), "ONB-3"
            )
        contact_center.save()
        record(
            account,
            "install-contact-center",
            contact_center,
            f"{edition.label} installed",
            actor=actor,
            at=at,
            after={"edition": edition.value, "state": contact_center.state},
        )
        _tell(contact_center, "installed", actor, at)
    return contact_center


def activate(
    contact_center: ContactCenter,
    *,
    reason: str,
    actor: Actor,
    at: datetime,
    on: date | None = None,
    rule: str = "",
) -> ContactCenter:
    """Take a contact center live, for good: from today on all is billed (ONB-7, ONB-8, ONB-10).

    Only the onboarding team does this, or a scheduled task, which names its `rule` and the day `on`
    that was due. Raises Refused for anybody else, without a reason, and where it is active already.
    """
    if actor.user is not None and not is_in_group(actor.user, ONBOARDING):
        raise Refused("Only the onboarding team activates a contact center.", rule="ONB-7")
    if not reason.strip():
        raise Refused("Say why it goes live now.", rule="ONB-7", field="reason")
    with open_ledger(contact_center.account, actor=actor, at=at, on=on) as ledger:
        fresh = _locked(contact_center)
        if fresh.state == OnboardingState.ACTIVE:
            raise Refused(
                f"{fresh} is active already, since {fresh.activated_on:%B %-d, %Y}. Nothing was changed.",
                rule="ONB-8",
            )
        fresh.activate(ledger.on, at, actor.label[:120], reason.strip()[:300], rule)
        fresh.save()
        ledger.lift_limit(LIMIT)
        begun = ledger.meet_condition(ACTIVE)
        words = f"{fresh} activated" + (f" by rule {rule}" if rule else "")
        record(
            fresh.account,
            "activate-contact-center",
            fresh,
            f"{words}: {fresh.activation_reason}",
            actor=actor,
            at=at,
            before={"state": OnboardingState.ONBOARDING.value},
            after={
                "state": fresh.state,
                "activated_on": fresh.activated_on,
                "charges": len(begun),
                "rule": rule,
            },
        )
        _tell(fresh, "activated", actor, at)
    return fresh


def request_activation(contact_center: ContactCenter, *, actor: Actor, at: datetime) -> None:
    """Ask the onboarding team to go live (ONB-7); nothing if that was asked for before.

    Raises Refused where it is live.
    """
    with open_ledger(contact_center.account, actor=actor, at=at):
        fresh = _in_onboarding(contact_center)
        if fresh.requested_at is not None:
            return
        fresh.requested_at = at
        fresh.requested_by = actor.user
        fresh.save(update_fields=["requested_at", "requested_by"])
        record(
            fresh.account,
            "request-activation",
            fresh,
            f"Asked the onboarding team to activate {fresh}",
            actor=actor,
            at=at,
        )
        _tell(fresh, "requested", actor, at)


def confirm_test_call(contact_center: ContactCenter, *, actor: Actor, at: datetime) -> None:
    """Tick off the test call of the set-up; nothing if it is ticked off. Raises Refused where it is live."""
    with open_ledger(contact_center.account, actor=actor, at=at) as ledger:
        fresh = _in_onboarding(contact_center)
        if fresh.test_call_on is None:
            fresh.test_call_on = ledger.on
            fresh.save(update_fields=["test_call_on"])
            record(fresh.account, "confirm-test-call", fresh, "Test call confirmed", actor=actor, at=at)


def add_items(account: Account, product: Product, quantity: int, *, actor: Actor, at: datetime) -> Charge:
    """Add channels, add-ons or recording storage; without limit in onboarding, and free until then (ONB-4).

    Raises Refused where the product is none of these, or no contact center is installed.
    """
    check_quantity(quantity)
    _check_item(product)
    if not product.is_on_sale:
        raise Refused(f"{product.name} is not on offer any more.", field="product")
    with open_ledger(account, actor=actor, at=at) as ledger:
        charge = ledger.open(product, quantity)
        ledger.record(
            "add-items",
            product,
            f"Added {quantity} × {product.name}",
            after={
                "quantity": quantity,
                "unit_price": charge.unit_price,
                "billing_starts_on": charge.billing_starts_on,
            },
        )
    return charge


def remove_items(
    account: Account, product: Product, quantity: int, *, actor: Actor, at: datetime
) -> list[Charge]:
    """Give back channels, add-ons or storage, the newest first; returns the charges that ended.

    Raises Refused where there are fewer.
    """
    check_quantity(quantity)
    _check_item(product)
    with open_ledger(account, actor=actor, at=at) as ledger:
        held = ledger.held(product.pk)
        if quantity > held:
            raise Refused(
                f"There {'is' if held == 1 else 'are'} {held or 'no'} × {product.name}, "
                f"so {quantity} cannot be removed. Nothing was changed.",
                field="quantity",
            )
        ended = ledger.end_newest(product, quantity)
        ledger.record(
            "remove-items",
            product,
            f"Removed {quantity} × {product.name}",
            before={"held": held},
            after={"held": held - quantity},
        )
    return ended


def change_storage(account: Account, product: Product, *, actor: Actor, at: datetime) -> None:
    """Put one recording-storage package in the place of what there is; nothing if it is the same.

    Raises Refused where the product is no storage, or no contact center is installed.
    """
    if product.pk not in STORAGE:
        raise Refused("Choose one of the storage packages.", field="product")
    with open_ledger(account, actor=actor, at=at) as ledger:
        current = list(ledger.open_charges().filter(product__in=STORAGE))
        before = ", ".join(f"{charge.quantity} × {charge.product_id}" for charge in current)
        if [(charge.product_id, charge.quantity) for charge in current] == [(product.pk, 1)]:
            return
        for charge in current:
            ledger.end(charge)
        ledger.open(product)
        ledger.record(
            "change-storage",
            product,
            f"Recording storage changed to {product.name}",
            before={"storage": before},
            after={"storage": product.pk},
        )


def set_toll_free_package(account: Account, code: str, *, actor: Actor, at: datetime) -> None:
    """Change the account's toll-free package, to a product code or `pay-per-use` (USE-4, USE-6).

    More minutes are refused in onboarding, unless the brand allows them; fewer are not (ONB-5).
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        contact_center = contact_center_of(account)
        if contact_center is not None and contact_center.is_onboarding:
            _check_upgrade(ledger, contact_center, code)
            if contact_center.toll_free_chosen_on is None:
                contact_center.toll_free_chosen_on = ledger.on
                contact_center.save(update_fields=["toll_free_chosen_on"])
        set_package_in(ledger, code)


def write_note(contact_center: ContactCenter, text: str, *, actor: Actor, at: datetime) -> OnboardingNote:
    """Write down something for the onboarding team. Raises Refused for anybody else, and for no text."""
    if actor.user is None or not is_in_group(actor.user, ONBOARDING):
        raise Refused("Notes are the onboarding team's.", rule="ONB-7")
    if not text.strip():
        raise Refused("A note has a text.", field="text")
    return OnboardingNote.objects.create(
        contact_center=contact_center, at=at, by=actor.user, text=text.strip()[:2000]
    )


def items_of(account: Account) -> models.QuerySet[Charge]:
    """The account's channels, add-ons and storage that have no end."""
    return Charge.objects.filter(
        account=account,
        ended_on=None,
        subscription=None,
        product__family=Family.CONTACT_CENTER,
        product__is_licence=False,
    ).exclude(brought_by__isnull=False)


def _check_upgrade(ledger: Ledger, contact_center: ContactCenter, code: str) -> None:
    brand = contact_center.account.brand
    if brand.toll_free_upgrade_in_onboarding:
        return
    now = included_minutes(ledger.account, package_charge(ledger.account), ledger.on)
    if minutes_of(ledger.account, code, ledger.on) > now:
        raise Refused(
            "In onboarding the toll-free package cannot be upgraded. It can be once "
            f"{contact_center} is active. {_contact_words(brand)} Nothing was changed.",
            rule="ONB-5",
            field="package",
        )


def _check_item(product: Product) -> None:
    is_item = product.family == Family.CONTACT_CENTER and product.is_recurring and not product.is_licence
    if not is_item:
        raise Refused(f"{product.name} is not a channel, an add-on or recording storage.", field="product")


def _locked(contact_center: ContactCenter) -> ContactCenter:
    return (
        ContactCenter.objects.select_for_update(of=("self",))
        .select_related("account__brand", "service")
        .get(pk=contact_center.pk)
    )


def _in_onboarding(contact_center: ContactCenter) -> ContactCenter:
    fresh = _locked(contact_center)
    if not fresh.is_onboarding:
        raise Refused(f"{fresh} is active already. Nothing was changed.", rule="ONB-8")
    return fresh


def _limit_words(brand: Brand) -> str:
    return (
        f"In onboarding an account holds at most {MOST_LICENCES} concurrent-user licences in all. "
        f"There is no limit once Contact Center is active. {_contact_words(brand)} Nothing was changed."
    )


def _contact_words(brand: Brand) -> str:
    ways = " or ".join(way for way in (brand.onboarding_email, label_words(brand.onboarding_phone)) if way)
    return f"To go live, contact {brand.onboarding_name}: {ways}."


def _tell(contact_center: ContactCenter, what: str, actor: Actor, at: datetime) -> None:
    for listener in _listeners:
        listener(contact_center, what, actor, at)
