"""The help: which rule is stated on which page, and the two views that show it.

TOPICS is the one registry. A template under ``templates/help/topics`` states the sections that its topic
declares here, in the same order; titles live here, so an outline, a link and a heading never disagree.
Other apps carry a rule as a plain string ("BIL-4"); the template tag ``{% rule "BIL-4" %}`` makes it a link.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

RULE_NUMBER = re.compile(r"\b(?:ACC|ONB|ORD|LIC|NUM|USE|SUB|PLN|BIL|INV|SIM)-\d+\b")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a help page that a link can point at: a rule, or a heading of its own."""

    anchor: str
    title: str

    @property
    def is_rule(self) -> bool:
        """Whether the anchor is the number of a rule."""
        return RULE_NUMBER.fullmatch(self.anchor) is not None


@dataclass(frozen=True, slots=True)
class Topic:
    """A help page: its address, what it is about in one sentence, and its sections in reading order."""

    slug: str
    title: str
    summary: str
    sections: tuple[Section, ...]

    @property
    def url(self) -> str:
        """The page's address, without an anchor."""
        return reverse("help:topic", args=[self.slug])

    @property
    def template(self) -> str:
        """The template that states the sections."""
        return f"help/topics/{self.slug}.html"

    @property
    def rules(self) -> tuple[Section, ...]:
        """Those sections that state a numbered rule."""
        return tuple(section for section in self.sections if section.is_rule)

    def section(self, anchor: str) -> Section:
        """The section with this anchor. Raises KeyError where the topic has none."""
        for section in self.sections:
            if section.anchor == anchor:
                return section
        raise KeyError(anchor)


TOPICS: tuple[Topic, ...] = (
    Topic(
        "accounts",
        "Accounts and access",
        "Who may see and change what, and where every change is kept.",
        (
            Section("ACC-1", "Members and their roles"),
            Section("ACC-2", "Partners"),
            Section("ACC-3", "Staff pages"),
            Section("ACC-4", "What you may not see or change"),
            Section("ACC-5", "The audit trail"),
        ),
    ),
    Topic(
        "orders",
        "Quotes and orders",
        "From a quote to the first invoice, ordering in the panel, and when hardware is charged.",
        (
            Section("ORD-1", "Quotes"),
            Section("ORD-2", "Accepting a quote"),
            Section("ORD-4", "The quote against the first invoice"),
            Section("ORD-3", "Ordering in the panel"),
            Section("ORD-5", "Shipping, charging and cancelling hardware"),
            Section("warehouse-file", "How the provider ships"),
        ),
    ),
    Topic(
        "licences",
        "End users and licences",
        "Adding people, buying licences for them, and giving licences back.",
        (
            Section("end-users", "End users"),
            Section("LIC-2", "Many end users from a file"),
            Section("user-file", "The file of end users"),
            Section("LIC-1", "Buying, assigning and removing licences"),
            Section("licence-cost", "What a licence costs, and from when"),
        ),
    ),
    Topic(
        "numbers",
        "Numbers and services",
        "Phone numbers, what they can be assigned to, and which of them cost something.",
        (
            Section("NUM-1", "Adding a number"),
            Section("NUM-2", "Parked, assigned, released"),
            Section("porting", "Bringing numbers along, and taking them away"),
            Section("NUM-3", "The included number"),
            Section("NUM-4", "Services that need no number"),
            Section("NUM-5", "The complimentary auto attendant"),
            Section("NUM-6", "Extensions"),
            Section("NUM-7", "Changes that continue a charge"),
            Section("NUM-8", "Numbers and UC licences"),
        ),
    ),
    Topic(
        "locations",
        "Locations and emergency addresses",
        "The sites where your people are, and the address that emergency calls from there give.",
        (
            Section("emergency-address", "The emergency address"),
            Section("who-is-there", "Who is there"),
            Section("location-changes", "Changing and removing a location"),
        ),
    ),
    Topic(
        "devices",
        "Devices",
        "Phones: who has which, what makes one active, and how it gets going.",
        (
            Section("ORD-6", "Devices, and when one is active"),
            Section("assign-device", "Assigning a device"),
            Section("replace-device", "Swapping, replacing and retiring"),
            Section("phones", "How a phone gets going"),
        ),
    ),
    Topic(
        "contact-center",
        "Contact Center",
        "Installing it, setting it up in onboarding mode, going live, and what is billed from when.",
        (
            Section("ONB-1", "Installing Contact Center"),
            Section("ONB-2", "The onboarding notice"),
            Section("ONB-3", "Two licences in onboarding"),
            Section("ONB-4", "What has no limit in onboarding"),
            Section("ONB-5", "Toll-free packages in onboarding"),
            Section("ONB-6", "What onboarding costs"),
            Section("ONB-7", "Going live"),
            Section("ONB-8", "Activation is final"),
            Section("ONB-9", "How long onboarding lasts"),
            Section("ONB-10", "What is billed from activation on"),
            Section("contact-center-questions", "Questions and answers"),
        ),
    ),
    Topic(
        "subscriptions",
        "Subscriptions",
        "Several terms, partners and budgets in one account: what each has, which is primary, and what is shared.",
        (
            Section("subscriptions-in-short", "In short"),
            Section("SUB-1", "What a subscription has"),
            Section("SUB-2", "One licence mode"),
            Section("SUB-3", "One telephony option"),
            Section("SUB-4", "The primary subscription"),
            Section("SUB-5", "Usage by subscription"),
            Section("SUB-6", "Overage of agents and IVR ports"),
            Section("SUB-7", "Overage of AI and outbound IVR"),
            Section("SUB-8", "Who has access, and what happens at an end"),
            Section("SUB-9", "Choosing the subscription of a licence"),
            Section("SUB-10", "What a subscription costs"),
        ),
    ),
    Topic(
        "plans",
        "Plans",
        "Packages that are paid ahead for a cycle: registering, trying, upgrading, renewing and leaving one.",
        (
            Section("PLN-1", "The packages and your plan"),
            Section("PLN-2", "Try, Active, Inactive"),
            Section("PLN-3", "Registering a plan, and its total"),
            Section("plan-payment", "Paying once"),
            Section("PLN-4", "Renewals, upgrades and leaving"),
        ),
    ),
    Topic(
        "usage",
        "Usage",
        "Calls and other usage: how records come in, which meter counts them, and how they are added up.",
        (
            Section("USE-1", "How usage comes in"),
            Section("usage-file", "The usage file"),
            Section("USE-2", "Meters, and the meter of a call"),
            Section("USE-3", "How usage is added up"),
            Section("USE-4", "Toll-free packages, and changing one"),
            Section("USE-6", "Where the toll-free package is changed"),
            Section("USE-5", "When usage is billed"),
            Section("usage-page", "Reading the usage page"),
            Section("rates", "Rates, and the rate deck"),
        ),
    ),
    Topic(
        "billing",
        "How billing works",
        "When a charge begins, what a partial month costs, what is credited, and how it all adds up.",
        (
            Section("in-short", "In short"),
            Section("BIL-1", "The billing day in short months"),
            Section("BIL-2", "One invoice a month, one month ahead"),
            Section("BIL-3", "When billing begins"),
            Section("BIL-4", "Partial months"),
            Section("BIL-5", "When a charge ends, and credits"),
            Section("BIL-6", "Locked prices"),
            Section("BIL-7", "The moment of the invoice"),
            Section("BIL-8", "Catching up"),
            Section("BIL-9", "Once, and nothing left out"),
            Section("BIL-10", "The preview is the invoice"),
            Section("BIL-11", "Every line says why"),
            Section("BIL-12", "Money and currency"),
        ),
    ),
    Topic(
        "invoices",
        "Invoices and finance",
        "How an invoice is laid out, what can happen to it, and how finance takes its figures out.",
        (
            Section("INV-1", "From draft to issued"),
            Section("INV-2", "The sections of an invoice"),
            Section("INV-5", "Finance pages and CSV export"),
            Section("INV-7", "Your billing page"),
            Section("collecting", "Collecting from your card"),
            Section("dunning", "Reminders and suspension"),
        ),
    ),
    Topic(
        "payments",
        "Payments",
        "How invoices are paid, what becomes of credit, and how finance takes transfers in and gives money back.",
        (
            Section("INV-6", "Paying invoices"),
            Section("ways-to-pay", "By card and by bank transfer"),
            Section("credit-balance", "Credit, and giving it back"),
            Section("statement", "Your statement"),
            Section("record-transfer", "For finance: recording a transfer"),
            Section("bank-file", "For finance: the bank's file"),
            Section("refunds", "For finance: refunds"),
        ),
    ),
    Topic(
        "simulator",
        "The simulator",
        "Play a deal through as a story and read the invoices it will bring, before anybody signs.",
        (
            Section("SIM-1", "What the simulator does"),
            Section("story-file", "Writing a story"),
            Section("story-events", "The events"),
            Section("story-day", "What happens in a day"),
            Section("story-example", "A worked example"),
            Section("story-json", "Reading the result with a program"),
            Section("story-errors", "When something is wrong"),
        ),
    ),
    Topic(
        "glossary",
        "Words",
        "The words that the panel, its invoices and this help use, and what each one means here.",
        (
            Section("account", "Account"),
            Section("additional-number", "Additional number"),
            Section("bdom", "BDOM"),
            Section("billing-delay", "Billing delay"),
            Section("billing-period", "Billing period"),
            Section("brand", "Brand"),
            Section("channel", "Channel, add-on"),
            Section("charge", "Charge"),
            Section("commitment", "Commitment"),
            Section("complimentary", "Complimentary"),
            Section("contact-center", "Contact Center"),
            Section("credit", "Credit"),
            Section("device", "Device"),
            Section("end-user", "End user"),
            Section("included-number", "Included number"),
            Section("ledger", "Ledger"),
            Section("licence", "Licence"),
            Section("location", "Location"),
            Section("locked-price", "Locked price"),
            Section("month-ahead", "Month ahead"),
            Section("number", "Number, DID"),
            Section("onboarding-mode", "Onboarding mode"),
            Section("overage", "Overage"),
            Section("parked", "Parked"),
            Section("partial-month", "Partial month"),
            Section("plan", "Plan, package"),
            Section("preview", "Preview"),
            Section("prorated", "Prorated"),
            Section("service", "Service"),
            Section("subscription", "Subscription"),
            Section("toll-free-package", "Toll-free package"),
            Section("user", "User"),
        ),
    ),
)

_TOPIC_BY_SLUG: dict[str, Topic] = {topic.slug: topic for topic in TOPICS}


def _rules() -> Iterator[tuple[str, Topic]]:
    for topic in TOPICS:
        for rule in topic.rules:
            yield rule.anchor, topic


RULES: dict[str, Topic] = dict(_rules())
"""Rule number -> the topic whose page states it."""


def rule_url(rule: str) -> str:
    """The address of a rule's text: "BIL-4" -> "/help/billing/#BIL-4". KeyError for a rule not stated."""
    return f"{RULES[rule].url}#{rule}"


def rule_title(rule: str) -> str:
    """A rule's heading: "BIL-4" -> "Partial months". KeyError for a rule not stated."""
    return RULES[rule].section(rule).title


def _layout(request: HttpRequest) -> str:
    """The panel's frame for somebody signed in, the plain page for everybody else."""
    return "layouts/page.html" if request.user.is_authenticated else "layouts/bare.html"


def index(request: HttpRequest) -> HttpResponse:
    """The topics with their outlines, and all rules by number. Open to everyone; holds no account's data."""
    return render(request, "help/index.html", {"topics": TOPICS, "layout": _layout(request)})


def topic(request: HttpRequest, slug: str) -> HttpResponse:
    """One topic. An address that names none answers 404."""
    shown = _TOPIC_BY_SLUG.get(slug)
    if shown is None:
        raise Http404
    place = TOPICS.index(shown)
    context = {
        "topic": shown,
        "previous_topic": TOPICS[place - 1] if place else None,
        "next_topic": TOPICS[place + 1] if place + 1 < len(TOPICS) else None,
        "layout": _layout(request),
    }
    return render(request, shown.template, context)
