"""Plays stories on a scratch account, through the panel's own actions and tasks (SIM-1).

Nothing stays: the caller rolls the transaction back. A day begins with what is scheduled for it,
then come its events in the order of the file (BIL-7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.db import transaction

from accounts import end_users
from accounts.models import Account, Brand, EndUser
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import licences, subscriptions, usage
from billing.engine import BillingFault, Draft, MissingRate, round_half_up
from billing.gather import decimals_of
from billing.invoicing import bill_due, due, start_run
from billing.models import (
    BillingSchedule,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceRun,
    LicenceMode,
    MeterRate,
    PackageTerms,
    PlanDiscount,
    PrefixRate,
    Price,
    Product,
    Subscription,
    TelephonyOption,
    UsageRecord,
)
from billing.opening import open_account, start_of_day
from billing.preview import draw
from billing.stories import (
    EVENTS,
    Event,
    Story,
    StoryError,
    a_count,
    a_date,
    a_meter,
    a_name,
    a_product,
    a_quantity,
    event,
    one_of,
    quantities,
)
from billing.triggers import begin_due_charges

_NOON = time(12)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that a rule refused. It changed nothing."""

    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a story came to. `decimals` are those of its currency."""

    story: Story
    decimals: int
    invoices: list[tuple[Invoice, list[InvoiceLine]]]
    refused: list[Refusal]
    next_invoice: Draft


@dataclass(slots=True)
class Player:
    """The scratch account of a story, and what its names stand for at the moment."""

    story: Story
    account: Account
    actor: Actor
    at: datetime
    names: dict[tuple[str, str], Any] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)

    def give(self, kind: str, name: str, thing: Any) -> None:
        """From now on the name stands for this thing."""
        self.names[kind, name] = thing

    def forget(self, kind: str, name: str) -> None:
        """The thing behind the name is gone."""
        self.names.pop((kind, name), None)

    def find(self, name: str, *kinds: str) -> Any:
        """What the name stands for. Raises Refused where it is not there (yet, or any more)."""
        for kind in kinds:
            if (kind, name) in self.names:
                return self.names[kind, name]
        raise Refused(f"“{name}” is not there. Nothing was changed.")

    def check_new(self, name: str, *kinds: str) -> None:
        """Raise Refused where the name stands for something already."""
        if any((kind, name) in self.names for kind in kinds):
            raise Refused(f"“{name}” is there already. Nothing was changed.")

    def product(self, code: str) -> Product:
        """The product of a code that the story's reading has checked."""
        return Product.objects.get(pk=code)

    def subscription(self, name: str | None) -> Subscription | None:
        """The subscription of a name, as it stands now; None where no name is given."""
        return None if name is None else Subscription.objects.get(pk=self.find(name, "subscription").pk)

    @property
    def by(self) -> dict[str, Any]:
        """Who acts, and when: the last arguments of every action."""
        return {"actor": self.actor, "at": self.at}


class _Undo(Exception):
    """Ends the transaction of a simulation."""


def simulate(story: Story) -> Outcome:
    """Play a story and take everything back. The outcome's rows are no longer in the database.

    Raises StoryError where an invoice cannot be made.
    """
    outcome: Outcome | None = None
    try:
        with transaction.atomic():
            outcome = play(story)
            raise _Undo
    except _Undo:
        pass
    if outcome is None:
        raise RuntimeError("a simulation ends with its transaction")
    return outcome


def play(story: Story) -> Outcome:
    """Play a story inside a transaction of the caller's, on a brand and an account of its own."""
    player = _set_up(story)
    by_day: dict[date, list[Event]] = {}
    for told in story.events:
        by_day.setdefault(told.on, []).append(told)
    run = start_run(
        player.at,
        trigger=InvoiceRun.Trigger.COMMAND,
        by="simulate",
        at=player.at,
        only=player.account,
    )
    for day in _days(story.opened, story.until):
        if not _is_out(story, day):
            run_schedule(player.account, run, start_of_day(player.account, day))
        for told in by_day.get(day, []):
            _play_event(player, told)
    return _outcome(player)


def run_schedule(account: Account, run: InvoiceRun, at: datetime) -> None:
    """What beat does for one account at the start of a day: billing triggers, then the invoice run."""
    begin_due_charges(at, only=account)
    run.as_of = at
    if due(run).exists():
        bill_due(run, at=at)


def _set_up(story: Story) -> Player:
    key = uuid4().hex[:7].upper()
    brand = Brand.objects.create(
        name=f"Simulation {key}",
        slug=f"simulation-{key.lower()}",
        logo_text="Simulation",
        support_email="support@example.com",
        onboarding_email="onboarding@example.com",
        legal_name="Simulation",
        invoice_prefix=f"S{key}",
        **story.policies,
    )
    Price.objects.bulk_create(
        Price(
            product_id=code,
            brand=brand,
            amount=amount,
            amount_currency=story.currency,
            effective_on=story.opened,
        )
        for code, amount in story.prices.items()
    )
    PackageTerms.objects.bulk_create(
        PackageTerms(
            product_id=code,
            brand=brand,
            minutes=package.minutes,
            overage=package.overage,
            overage_currency=story.currency,
            effective_on=story.opened,
        )
        for code, package in story.packages.items()
    )
    MeterRate.objects.bulk_create(
        MeterRate(
            meter_id=code,
            brand=brand,
            per_unit=rate.per_unit,
            per_unit_currency=story.currency,
            minimum_seconds=rate.minimum_seconds,
            increment_seconds=rate.increment_seconds,
            effective_on=story.opened,
        )
        for code, rate in story.rates.items()
    )
    PrefixRate.objects.bulk_create(
        PrefixRate(
            brand=brand,
            prefix=prefix,
            per_unit=per_unit,
            per_unit_currency=story.currency,
            effective_on=story.opened,
        )
        for rate in story.rates.values()
        for prefix, per_unit in rate.prefixes.items()
    )
    PlanDiscount.objects.bulk_create(
        PlanDiscount(brand=brand, months=months, discount=discount, effective_on=story.opened)
        for months, discount in story.plan_discounts.items()
    )
    actor = Actor.for_command("simulate")
    opened_at = datetime.combine(story.opened, _NOON).astimezone()
    account = open_account(
        brand,
        story.name,
        slug=f"simulation-{key.lower()}",
        bdom=story.bdom,
        currency=story.currency,
        timezone=story.timezone,
        opened_on=story.opened,
        is_simulation=True,
        actor=actor,
        at=opened_at,
    )
    return Player(story, account, actor, _noon(account, story.opened))


def _noon(account: Account, day: date) -> datetime:
    return datetime.combine(day, _NOON, tzinfo=account.zone)


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def _is_out(story: Story, day: date) -> bool:
    return any(told.do == "outage" and told.on <= day < told.fields["until"] for told in story.events)


def _play_event(player: Player, told: Event) -> None:
    player.at = _noon(player.account, told.on)
    try:
        with transaction.atomic():
            EVENTS[told.do].play(player, **told.fields)
    except Refused as refused:
        player.refused.append(Refusal(told, refused.message))


def _outcome(player: Player) -> Outcome:
    account = player.account
    schedule = BillingSchedule.objects.get(account=account)
    # A run that set the account aside did so at the invoice that is drawn here, for the same reason.
    try:
        upcoming = draw(account, schedule.next_bdom_on, schedule=schedule)
    except BillingFault as fault:
        raise _named(player, fault, schedule.next_bdom_on) from fault
    invoices = list(Invoice.objects.filter(account=account).order_by("issued_on", "id"))
    lines: dict[int, list[InvoiceLine]] = {invoice.pk: [] for invoice in invoices}
    for line in InvoiceLine.objects.filter(invoice__in=invoices).order_by("invoice", "position"):
        lines[line.invoice_id].append(line)
    return Outcome(
        player.story,
        decimals_of(account.currency),
        [(invoice, lines[invoice.pk]) for invoice in invoices],
        player.refused,
        upcoming,
    )


def _named(player: Player, fault: BillingFault, on: date) -> StoryError:
    """Why the invoice of a day cannot be made, by the event that asks for what is missing where there is one."""
    if isinstance(fault, MissingRate):
        records = UsageRecord.objects.filter(
            account=player.account, meter=fault.meter, occurred_on=fault.on, unit_price=None
        )
        ids = set(records.values_list("record_id", flat=True))
        refused = {refusal.event.number for refusal in player.refused}
        for told in player.story.events:
            if told.fields.get("id") in ids and told.number not in refused:
                return StoryError(
                    f"{told}: no rate in {player.account.currency} is set for {fault.meter}, which the invoice "
                    f"of {on} needs: give one as per_unit in [rates.{fault.meter}]"
                )
    return StoryError(f"the invoice of {on} could not be made: {fault}")


# --- the events of billing -------------------------------------------------------------------


_OF_SUBSCRIPTION = {"subscription": ("subscription",)}


@event(
    "add_licences",
    {"product": a_product, "quantity": a_quantity, "subscription": a_name},
    optional=("subscription",),
    needs=_OF_SUBSCRIPTION,
)
def _add_licences(player: Player, product: str, quantity: int, subscription: str | None = None) -> None:
    licences.add_licences(
        player.account,
        player.product(product),
        quantity,
        subscription=player.subscription(subscription),
        **player.by,
    )


@event(
    "remove_licences",
    {"product": a_product, "quantity": a_quantity, "subscription": a_name},
    optional=("subscription",),
    needs=_OF_SUBSCRIPTION,
)
def _remove_licences(player: Player, product: str, quantity: int, subscription: str | None = None) -> None:
    licences.remove_licences(
        player.account,
        player.product(product),
        quantity,
        subscription=player.subscription(subscription),
        **player.by,
    )


@event("add_user", {"user": a_name}, makes={"user": "user"})
def _add_user(player: Player, user: str) -> None:
    player.check_new(user, "user", "service")
    player.give("user", user, end_users.add_end_user(player.account, name=user, **player.by))


@event(
    "assign_licence",
    {"user": a_name, "product": a_product, "subscription": a_name},
    optional=("subscription",),
    needs={"user": ("user",), **_OF_SUBSCRIPTION},
)
def _assign_licence(player: Player, user: str, product: str, subscription: str | None = None) -> None:
    end_user: EndUser = player.find(user, "user")
    licences.assign_licence(
        end_user, player.product(product), subscription=player.subscription(subscription), **player.by
    )


@event(
    "unassign_licence",
    {"user": a_name, "product": a_product, "subscription": a_name},
    optional=("subscription",),
    needs={"user": ("user",), **_OF_SUBSCRIPTION},
)
def _unassign_licence(player: Player, user: str, product: str, subscription: str | None = None) -> None:
    end_user: EndUser = player.find(user, "user")
    licences.unassign_licence(
        end_user, player.product(product), subscription=player.subscription(subscription), **player.by
    )


def _starts_later(on: date, fields: Mapping[str, Any]) -> None:
    if fields["starts"] < on:
        raise ValueError(f"starts: is before the event's own day, {on}")


@event(
    "add_subscription",
    {
        "subscription": a_name,
        "starts": a_date,
        "ends": a_date,
        "commitments": quantities,
        "licence_mode": one_of(*LicenceMode.values),
        "telephony_option": one_of(*TelephonyOption.values),
        "product": a_product,
        "quantity": a_quantity,
    },
    optional=("commitments", "product", "quantity"),
    makes={"subscription": "subscription"},
    check=_starts_later,
)
def _add_subscription(
    player: Player,
    subscription: str,
    starts: date,
    ends: date,
    licence_mode: str,
    telephony_option: str,
    commitments: dict[str, int] | None = None,
    product: str = "",
    quantity: int = 1,
) -> None:
    terms = subscriptions.Terms(
        name=subscription,
        starts_on=starts,
        ends_on=ends,
        licence_mode=LicenceMode(licence_mode),
        telephony_option=TelephonyOption(telephony_option),
        commitments=commitments or {},
        products={player.product(product): quantity} if product else {},
    )
    player.give(
        "subscription", subscription, subscriptions.add_subscription(player.account, terms, **player.by)
    )


@event("end_subscription", {"subscription": a_name}, needs=_OF_SUBSCRIPTION)
def _end_subscription(player: Player, subscription: str) -> None:
    subscriptions.end_subscription(player.find(subscription, "subscription"), **player.by)


@event(
    "usage",
    {"id": a_name, "meter": a_meter, "quantity": a_count, "subscription": a_name, "subject": a_name},
    optional=("subscription", "subject"),
    needs=_OF_SUBSCRIPTION,
)
def _usage(player: Player, meter: str, quantity: int, **told: Any) -> None:
    usage.record_usage(
        player.account,
        told["id"],
        meter,
        quantity,
        occurred_at=player.at,
        subscription=player.subscription(told.get("subscription")),
        subject=told.get("subject", ""),
        **player.by,
    )


# --- the outcome in words --------------------------------------------------------------------


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain values: amounts as texts, dates in ISO form."""
    story, places = outcome.story, outcome.decimals
    upcoming = outcome.next_invoice
    return {
        "account": {"name": story.name, "currency": story.currency, "bdom": story.bdom},
        "invoices": [
            {
                "date": invoice.issued_on.isoformat(),
                "kind": invoice.kind,
                "period": [invoice.period_start.isoformat(), invoice.period_end.isoformat()],
                "lines": [_line_json(line, places) for line in lines],
                "subtotal": _amount(invoice.subtotal, places),
                "tax": _amount(invoice.tax, places),
                "total": _amount(invoice.total, places),
            }
            for invoice, lines in outcome.invoices
        ],
        "refused": [
            {
                "event": refusal.event.number,
                "on": refusal.event.on.isoformat(),
                "do": refusal.event.do,
                "reason": refusal.reason,
            }
            for refusal in outcome.refused
        ],
        "next_invoice": {
            "date": upcoming.on.isoformat(),
            "lines": [_line_json(line, places) for line in upcoming.lines],
            "subtotal": _amount(upcoming.subtotal, places),
            "tax": _amount(upcoming.tax, places),
            "total": _amount(upcoming.total, places),
        },
    }


def _line_json(line: Any, places: int) -> dict[str, Any]:
    """An issued line and a drafted one have the same names for the same things (BIL-10)."""
    return {
        "section": str(line.section),
        "product": line.product,
        "quantity": _plain(line.quantity),
        "unit_price": unit_price_text(line.unit_price, places),
        "from": line.starts_on.isoformat(),
        "to": line.ends_on.isoformat(),
        "days": line.days,
        "of_days": line.of_days,
        "amount": _amount(line.amount, places),
        "subscription": line.subscription,
        "why": line.why,
    }


def _plain(quantity: int | Decimal) -> int | float:
    """A quantity as a number of JSON's: parts of a minute have four decimals at most."""
    return quantity if isinstance(quantity, int) else float(quantity)


def _amount(amount: Decimal, places: int) -> str:
    return format(round_half_up(amount, places), "f")


def unit_price_text(price: Decimal, places: int) -> str:
    """A unit price with the currency's decimals, or more where it has more."""
    text = format(price.normalize(), "f")
    whole, _, decimals = text.partition(".")
    decimals = decimals.ljust(places, "0")
    return f"{whole}.{decimals}" if decimals else whole


def as_table(outcome: Outcome) -> str:
    """The outcome for people: an invoice after the other, then what was refused, then what comes."""
    story, places = outcome.story, outcome.decimals
    parts = [f"{story.name} · {story.currency} · BDOM {story.bdom} · to {story.until}"]
    for invoice, lines in outcome.invoices:
        until = f"{invoice.period_start} to {invoice.period_end}"
        what, period = (
            ("Plan invoice", "cycle") if invoice.kind == InvoiceKind.PLAN else ("Invoice", "month ahead")
        )
        parts.append(f"\n{what} of {invoice.issued_on}  ({period}: {until})")
        parts += _table(lines, places)
        parts += _totals(invoice, places)
    if not outcome.invoices:
        parts.append("\nNo invoice was issued.")
    if outcome.refused:
        parts.append("\nRefused")
        parts += [f"  {refusal.event}: {refusal.reason}" for refusal in outcome.refused]
    upcoming = outcome.next_invoice
    parts.append(f"\nNext invoice, {upcoming.on}, if nothing else happens")
    parts += _table(upcoming.lines, places)
    parts += _totals(upcoming, places)
    return "\n".join(parts)


def _table(lines: Any, places: int) -> list[str]:
    rows = [
        (
            str(line.section),
            " ".join(filter(None, (line.product, line.subject_label, line.subscription))),
            f"{line.quantity} × {unit_price_text(line.unit_price, places)}",
            f"{line.starts_on} – {line.ends_on}" if line.ends_on > line.starts_on else f"{line.starts_on}",
            f"{line.days} of {line.of_days} days" if line.of_days else "",
            _amount(line.amount, places),
            line.why,
        )
        for line in lines
    ]
    if not rows:
        return ["  nothing"]
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    rights = {2, 4, 5}
    return [
        "  "
        + "  ".join(
            text.rjust(width) if column in rights else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _totals(document: Any, places: int) -> list[str]:
    total = f"  Total {_amount(document.total, places)}"
    if document.tax:
        total = (
            f"  Subtotal {_amount(document.subtotal, places)}\n  Tax {_amount(document.tax, places)}\n{total}"
        )
    return [total]
