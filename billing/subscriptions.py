"""Subscriptions: entered for a term, ended early, several in one tenant (SUB-1 to SUB-3, SUB-10).

The only writer of subscriptions. They are written under the account's ledger, whose lock also keeps
two provisionings at once from each becoming the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from accounts.models import Account, Partner
from accounts.partners import bring_in_partner
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from billing.engine import Pooling, SubscriptionFacts
from billing.engine.calendar import months_after
from billing.gather_usage import subscription_facts
from billing.models import (
    LicenceMode,
    Meter,
    Offer,
    Product,
    Subscription,
    SubscriptionCommitment,
    TelephonyOption,
    Tenancy,
)

LONGEST_TERM = 60
"""In months (SUB-1)."""
MOST_COMMITTED = 10_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed of a subscription: active from `starts_on` up to, not including, `ends_on`.

    `commitments` are quantities by meter code; `products` quantities by product, billed monthly.
    """

    name: str
    starts_on: date
    ends_on: date
    licence_mode: LicenceMode
    telephony_option: TelephonyOption
    commitments: Mapping[str, int] = field(default_factory=dict)
    products: Mapping[Product, int] = field(default_factory=dict)
    offer: Offer = Offer.FLEX_3
    partner: Partner | None = None
    department: str = ""
    billing_contact: str = ""


def add_subscription(account: Account, terms: Terms, *, actor: Actor, at: datetime) -> Subscription:
    """Enter a subscription; what is billed for it begins with its start, whatever else holds (SUB-10).

    The tenant's first decides on the licence mode and the telephony option of all. Raises Refused where
    another mode or option is asked for, the name is taken, the term is none, or a product has no price.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        _check_terms(ledger, terms)
        tenancy = _tenancy(ledger, terms)
        subscription = Subscription.objects.create(
            tenancy=tenancy,
            name=terms.name,
            offer=terms.offer,
            term_months=term_months(terms.starts_on, terms.ends_on),
            starts_on=terms.starts_on,
            agreed_until=terms.ends_on,
            ends_on=terms.ends_on,
            recorded_on=ledger.recorded_on,
            partner=terms.partner,
            department=terms.department,
            billing_contact=terms.billing_contact,
        )
        SubscriptionCommitment.objects.bulk_create(
            SubscriptionCommitment(
                subscription=subscription,
                meter=meter,
                quantity=quantity,
                starts_on=terms.starts_on,
                recorded_on=ledger.recorded_on,
            )
            for meter, quantity in terms.commitments.items()
        )
        for product, quantity in terms.products.items():
            ledger.open_for(subscription, product, quantity)
        if terms.partner is not None:
            bring_in_partner(account, terms.partner, actor=actor, at=at)
        ledger.touch()
        ledger.record(
            "add-subscription",
            subscription,
            f"Subscription {subscription} added, {terms.starts_on} to {terms.ends_on}",
            after={
                "starts_on": terms.starts_on,
                "ends_on": terms.ends_on,
                "licence_mode": tenancy.licence_mode,
                "telephony_option": tenancy.telephony_option,
                "commitments": ", ".join(f"{key} {value}" for key, value in terms.commitments.items()),
                "products": ", ".join(f"{value} × {key.pk}" for key, value in terms.products.items()),
            },
        )
    return subscription


def end_subscription(subscription: Subscription, *, actor: Actor, at: datetime) -> None:
    """End a subscription today: what is billed for it ends with it, and days paid ahead are credited (BIL-5).

    Nothing if it has ended before. One that has not begun never begins.
    """
    with open_ledger(subscription.account, actor=actor, at=at) as ledger:
        found = Subscription.objects.select_for_update().get(pk=subscription.pk)
        if found.has_ended(ledger.on):
            return
        before = found.ends_on
        found.ends_on = max(ledger.on, found.starts_on)
        found.end_recorded_on = ledger.recorded_on
        found.save(update_fields=["ends_on", "end_recorded_on"])
        for charge in ledger.open_charges().filter(subscription=found):
            ledger.end(charge)
        ledger.touch()
        ledger.record(
            "end-subscription",
            found,
            f"Subscription {found} ended on {found.ends_on}",
            before={"ends_on": before},
            after={"ends_on": found.ends_on},
        )


def set_commitments(
    subscription: Subscription, wanted: Mapping[str, int], *, reason: str = "", actor: Actor, at: datetime
) -> None:
    """From today a subscription commits to these quantities, by meter; all of them or none (SUB-6).

    Raises Refused where `set_commitment` does.
    """
    with open_ledger(subscription.account, actor=actor, at=at):
        for meter, quantity in wanted.items():
            set_commitment(subscription, meter, quantity, reason=reason, actor=actor, at=at)


def set_commitment(
    subscription: Subscription, meter: str, quantity: int, *, reason: str = "", actor: Actor, at: datetime
) -> None:
    """From today a subscription commits to another quantity of a meter; nothing where it is that already.

    Any quantity: what customers may commit to by themselves is asked by `billing.commitments`. `reason` is
    kept in the trail. Raises Refused where the subscription has ended or the meter takes no commitments.
    """
    with open_ledger(subscription.account, actor=actor, at=at) as ledger:
        check_runs(subscription, ledger.on)
        _check_commitments({meter: quantity})
        from_on = max(ledger.on, subscription.starts_on)
        current = subscription.commitments.filter(meter=meter, ends_on=None).first()
        before = current.quantity if current else 0
        if before == quantity:
            return
        if current is not None and current.starts_on == from_on:
            current.quantity = quantity
            current.save(update_fields=["quantity"])
        else:
            if current is not None:
                current.ends_on = from_on
                current.save(update_fields=["ends_on"])
            SubscriptionCommitment.objects.create(
                subscription=subscription,
                meter=meter,
                quantity=quantity,
                starts_on=from_on,
                recorded_on=ledger.recorded_on,
            )
        ledger.touch()
        ledger.record(
            "set-commitment",
            subscription,
            f"Commitment of {subscription} to {meter} changed from {before} to {quantity}"
            f"{f': {reason}' if reason else ''}",
            before={"meter": meter, "quantity": before},
            after={"meter": meter, "quantity": quantity, "from": from_on},
        )


def switch_tenancy(
    account: Account,
    *,
    licence_mode: LicenceMode | None = None,
    telephony_option: TelephonyOption | None = None,
    reason: str = "",
    actor: Actor,
    at: datetime,
) -> None:
    """Another licence mode or telephony option for the whole tenant (SUB-2, SUB-3); for staff alone.

    `reason` is kept in the trail. Nothing where it is so already. Raises Refused where the account has no subscription.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        tenancy = Tenancy.objects.select_for_update().filter(account=account).first()
        if tenancy is None:
            raise Refused("This account has no subscription, so there is nothing to switch.", rule="SUB-3")
        before = {"licence_mode": tenancy.licence_mode, "telephony_option": tenancy.telephony_option}
        tenancy.licence_mode = licence_mode or tenancy.licence_mode
        tenancy.telephony_option = telephony_option or tenancy.telephony_option
        after = {"licence_mode": tenancy.licence_mode, "telephony_option": tenancy.telephony_option}
        if before == after:
            return
        tenancy.save()
        ledger.touch()
        ledger.record(
            "switch-tenancy",
            account,
            f"The tenant's subscriptions are now {tenancy.get_licence_mode_display().lower()} "
            f"with {tenancy.get_telephony_option_display()}{f': {reason}' if reason else ''}",
            before=before,
            after=after,
        )


def subscriptions_of(account: Account) -> list[SubscriptionFacts]:
    """The account's subscriptions as they are known now, in the order in which they were added. Two queries."""
    return subscription_facts({account.pk: date.max})[account.pk]


def open_commitments(subscription: Subscription) -> dict[str, int]:
    """What a subscription commits to by the latest word, by meter; from its start if it has not begun. One query."""
    return dict(subscription.commitments.filter(ends_on=None).values_list("meter", "quantity"))


def term_months(starts_on: date, ends_on: date) -> int:
    """The months of a term; one that is begun counts (SUB-1)."""
    months = (ends_on.year - starts_on.year) * 12 + ends_on.month - starts_on.month
    while months_after(starts_on, months) < ends_on:
        months += 1
    while months > 1 and months_after(starts_on, months - 1) >= ends_on:
        months -= 1
    return max(1, months)


def check_runs(subscription: Subscription, on: date) -> None:
    """Raise Refused where a subscription has ended by the day `on`: as it is now, under the ledger's lock."""
    found = Subscription.objects.get(pk=subscription.pk)
    if found.has_ended(on):
        raise Refused(
            f"Subscription {found} {found.end_words}. Nothing was changed.",
            rule="SUB-8",
            field="subscription",
        )


def _tenancy(ledger: Ledger, terms: Terms) -> Tenancy:
    """What the tenant's subscriptions have in common, set by its first. Raises Refused for a mixture."""
    tenancy, is_first = Tenancy.objects.get_or_create(
        account=ledger.account,
        defaults={"licence_mode": terms.licence_mode, "telephony_option": terms.telephony_option},
    )
    if is_first:
        return tenancy
    if tenancy.licence_mode != terms.licence_mode:
        raise Refused(
            f"The subscriptions of this account are {tenancy.get_licence_mode_display().lower()}; "
            f"{terms.licence_mode.label.lower()} ones cannot stand beside them. Nothing was changed.",
            rule="SUB-2",
            field="licence_mode",
        )
    if tenancy.telephony_option != terms.telephony_option:
        raise Refused(
            f"This account's telephony option is {tenancy.get_telephony_option_display()}, and a tenant has "
            f"only one. Support can switch the whole tenant. Nothing was changed.",
            rule="SUB-3",
            field="telephony_option",
        )
    return tenancy


def _check_terms(ledger: Ledger, terms: Terms) -> None:
    if terms.starts_on < ledger.on:
        raise Refused(
            f"A subscription starts today at the earliest, and {terms.starts_on} is over.",
            rule="SUB-1",
            field="starts_on",
        )
    if terms.ends_on <= terms.starts_on:
        raise Refused("A subscription ends after it starts.", rule="SUB-1", field="ends_on")
    if terms.ends_on > months_after(terms.starts_on, LONGEST_TERM):
        raise Refused(
            f"A term is 1 to {LONGEST_TERM} months: this one may end on "
            f"{months_after(terms.starts_on, LONGEST_TERM)} at the latest.",
            rule="SUB-1",
            field="ends_on",
        )
    _check_commitments(terms.commitments)
    if Subscription.objects.filter(tenancy=ledger.account.pk, name=terms.name).exists():
        raise Refused(
            f"There is a subscription “{terms.name}” already. Choose another name.",
            rule="SUB-1",
            field="name",
        )


def _check_commitments(commitments: Mapping[str, int]) -> None:
    pooled = dict(
        Meter.objects.exclude(pooling__in=(Pooling.NONE, Pooling.PACKAGE)).values_list("code", "name")
    )
    for meter, quantity in commitments.items():
        if meter not in pooled:
            raise Refused(
                f"Nobody can commit to “{meter}”. Commitments are to {', '.join(sorted(pooled))}.",
                rule="SUB-6",
                field="commitments",
            )
        if not 0 <= quantity <= MOST_COMMITTED:
            raise Refused(
                f"A commitment is a whole number up to {MOST_COMMITTED:,}.", rule="SUB-6", field="commitments"
            )
