"""Who and what is in the demo before anything happens: brands, prices, inventories, people, accounts.

Numbers are those that no telephone company gives out: 555-01xx in North America, and what the
regulators of France, Germany, Ireland and Australia keep for film and stage.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from accounts.models import Role
from accounts.permissions import FINANCE, ONBOARDING, SALES, SUPPORT

KNOWN_TO_ALL: Final = "demo"
"""What everybody of the demo signs in with."""

CONTROL_PANEL: Final = "control-panel"
HOSTPILOT: Final = "hostpilot"


class BrandPlan(NamedTuple):
    """A brand, and who speaks for it."""

    slug: str
    name: str
    accent: str
    legal_name: str
    legal_address: str
    invoice_prefix: str
    payment_days: int
    domain: str
    support_phone: str
    onboarding_phone: str


BRANDS: Final = (
    BrandPlan(
        CONTROL_PANEL,
        "CONTROL PANEL",
        "#1f5fd0",
        "Panel Communications, Inc.",
        "200 State Street, Suite 1100\nBoston, MA 02109\nUnited States",
        "CP",
        14,
        "controlpanel.example",
        "+16175550110",
        "+16175550111",
    ),
    BrandPlan(
        HOSTPILOT,
        "HostPilot",
        "#7a3ec8",
        "HostPilot Cloud Services, Inc.",
        "1420 Fifth Avenue, Floor 22\nSeattle, WA 98101\nUnited States",
        "HP",
        30,
        "hostpilot.example",
        "+12065550150",
        "+12065550151",
    ),
)


class PricePlan(NamedTuple):
    """A price of a brand's own, from so many days before today on; None: it has always been so."""

    brand: str
    product: str
    currency: str
    amount: str
    days_ago: int | None = None


PRICES: Final = (
    PricePlan(CONTROL_PANEL, "number-local", "USD", "2.25"),
    PricePlan(CONTROL_PANEL, "fax-line", "USD", "13.50"),
    PricePlan(HOSTPILOT, "uc-licence", "USD", "26.50"),
    PricePlan(HOSTPILOT, "uc-licence", "EUR", "24.50"),
    PricePlan(HOSTPILOT, "number-toll-free", "USD", "4.75"),
    # Whoever bought before pays as before (BIL-6).
    PricePlan(HOSTPILOT, "uc-licence", "USD", "27.95", 62),
    PricePlan(HOSTPILOT, "uc-licence", "EUR", "25.75", 62),
)

INVENTORY: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    CONTROL_PANEL: (
        ("+12125550100", 60),
        ("+13035550100", 60),
        ("+13105550100", 60),
        ("+13125550100", 80),
        ("+16025550100", 40),
        ("+16175550120", 60),
        ("+17735550100", 80),
        ("+18085550100", 40),
        ("+18005550100", 50),
        ("+18885550100", 50),
    ),
    HOSTPILOT: (
        ("+12065550120", 60),
        ("+13035550160", 40),
        ("+16465550100", 60),
        ("+17575550100", 60),
        ("+18045550100", 60),
        ("+18555550100", 50),
        ("+35320910100", 60),
        ("+493023125100", 80),
        ("+33199001200", 60),
        ("+61255501200", 60),
    ),
}


class StaffPlan(NamedTuple):
    """Somebody who works for the provider."""

    email: str
    name: str
    groups: tuple[str, ...]
    what: str


ONBOARDER: Final = "onboarding@provider.example"
BOOKKEEPER: Final = "finance@provider.example"
SELLER: Final = "sales@provider.example"
SUPPORTER: Final = "support@provider.example"
ADMINISTRATOR: Final = "administrator@provider.example"
STAFF: Final = (
    StaffPlan(BOOKKEEPER, "Ines Calder", (FINANCE,), "Finance: all invoices, the runs, usage and its rates"),
    StaffPlan(
        SUPPORTER,
        "Theo Lang",
        (SUPPORT,),
        "Support: reads every account, imports usage, and switches what subscriptions have in common",
    ),
    StaffPlan(
        ONBOARDER, "Ruth Amadi", (ONBOARDING,), "Onboarding team: opens accounts in the administration"
    ),
    StaffPlan(SELLER, "Nora Whitlock", (SALES,), "Sales: quotes, and what came of them"),
    StaffPlan(ADMINISTRATOR, "Sam Everett", (), "Administrator: everything"),
)


class PartnerPlan(NamedTuple):
    """A partner organisation, the people who sign in for it, and the accounts that it sold to from the first day."""

    slug: str
    name: str
    brand: str
    email: str
    people: tuple[tuple[str, str], ...]
    first_of: tuple[str, ...]


BEACON: Final = PartnerPlan(
    "beacon-telecom",
    "Beacon Telecom Advisors",
    CONTROL_PANEL,
    "hello@beacontelecom.example",
    (("nell@beacontelecom.example", "Nell Barrow"), ("omar@beacontelecom.example", "Omar Haddad")),
    ("harbor-dental", "larkspur-law", "copperline-electric"),
)
LAKESHORE: Final = PartnerPlan(
    "lakeshore-voice",
    "Lakeshore Voice",
    CONTROL_PANEL,
    "office@lakeshorevoice.example",
    (("tess@lakeshorevoice.example", "Tess Aldridge"),),
    ("meridian-freight",),
)
PARTNERS: Final = (BEACON, LAKESHORE)


class MemberPlan(NamedTuple):
    """Somebody who signs in for an account. The first of an account is its owner."""

    email: str
    name: str
    role: Role


# They work for several accounts.
PRIYA: Final = MemberPlan("priya@relay-it.example", "Priya Raman", Role.ADMIN)
MARTA: Final = MemberPlan("marta@ledgerwise.example", "Marta Quinn", Role.BILLING)


class AccountPlan(NamedTuple):
    """A customer company. `bdom` None: three days before today, so that a run of late dealt with it.

    `pays_after`: days from an invoice to its payment; `stops_paying`: invoices of so many days ago
    and younger are left open.
    """

    slug: str
    name: str
    brand: str
    timezone: str
    bdom: int | None
    domain: str
    members: tuple[MemberPlan, ...]
    currency: str = "USD"
    billing_address: str = ""
    pays_after: int = 9
    stops_paying: int = 0
    extension_length: int = 4


def _people(domain: str, owner: str, *others: tuple[str, Role]) -> tuple[MemberPlan, ...]:
    return tuple(
        MemberPlan(f"{name.split()[0].lower()}@{domain}", name, role)
        for name, role in ((owner, Role.OWNER), *others)
    )


ACCOUNTS: Final = (
    AccountPlan(
        "harbor-dental",
        "Harbor Dental",
        CONTROL_PANEL,
        "America/New_York",
        15,
        "harbordental.example",
        (
            *_people(
                "harbordental.example",
                "Olivia Hart",
                ("Devon Pratt", Role.ADMIN),
                ("Lucia Bell", Role.READ_ONLY),
            ),
            PRIYA,
            MARTA,
        ),
        billing_address="48 Rowes Wharf\nBoston, MA 02110\nUnited States",
    ),
    AccountPlan(
        "meridian-freight",
        "Meridian Freight",
        CONTROL_PANEL,
        "America/Chicago",
        1,
        "meridianfreight.example",
        _people(
            "meridianfreight.example",
            "Walter Ngata",
            ("Joan Petersen", Role.ADMIN),
            ("Ravi Menon", Role.ADMIN),
            ("Corinne Blake", Role.BILLING),
            ("Ilse Brandt", Role.READ_ONLY),
        ),
        billing_address="Accounts payable\n1501 South Canal Street\nChicago, IL 60607\nUnited States",
        pays_after=12,
    ),
    AccountPlan(
        "larkspur-law",
        "Larkspur Law",
        CONTROL_PANEL,
        "America/New_York",
        5,
        "larkspurlaw.example",
        (*_people("larkspurlaw.example", "Adele Fournier", ("Curtis Webb", Role.ADMIN)), PRIYA, MARTA),
        billing_address="90 Park Avenue, Floor 17\nNew York, NY 10016\nUnited States",
        pays_after=6,
    ),
    AccountPlan(
        "copperline-electric",
        "Copperline Electric",
        CONTROL_PANEL,
        "America/Denver",
        28,
        "copperline.example",
        (*_people("copperline.example", "Hank Sorensen", ("Lena Ortiz", Role.ADMIN)), MARTA),
        billing_address="2300 Blake Street\nDenver, CO 80205\nUnited States",
        pays_after=10,
        stops_paying=50,
    ),
    AccountPlan(
        "aloha-surf",
        "Aloha Surf Rentals",
        CONTROL_PANEL,
        "Pacific/Honolulu",
        31,
        "alohasurf.example",
        _people("alohasurf.example", "Kai Nakoa", ("Malia Kealoha", Role.BILLING)),
        billing_address="2330 Kalakaua Avenue\nHonolulu, HI 96815\nUnited States",
        pays_after=3,
        extension_length=3,
    ),
    AccountPlan(
        "bluegate-staffing",
        "Bluegate Staffing",
        CONTROL_PANEL,
        "America/Los_Angeles",
        20,
        "bluegate.example",
        _people("bluegate.example", "Monique Avery", ("Troy Hanley", Role.ADMIN)),
        billing_address="811 Wilshire Boulevard\nLos Angeles, CA 90017\nUnited States",
    ),
    AccountPlan(
        "juniper-bakery",
        "Juniper & Sons Bakery",
        CONTROL_PANEL,
        "America/Phoenix",
        10,
        "juniperbakery.example",
        _people("juniperbakery.example", "Nora Juniper"),
        billing_address="19 Roosevelt Row\nPhoenix, AZ 85004\nUnited States",
        pays_after=1,
    ),
    AccountPlan(
        "fernwood-clinic",
        "Fernwood Clinic",
        CONTROL_PANEL,
        "America/New_York",
        12,
        "fernwood.example",
        _people("fernwood.example", "Amy Fernwood"),
    ),
    AccountPlan(
        "tidewater-insurance",
        "Tidewater Insurance",
        HOSTPILOT,
        "America/New_York",
        31,
        "tidewater.example",
        (*_people("tidewater.example", "Grant Holloway", ("Simone Reed", Role.READ_ONLY)), PRIYA),
        billing_address="500 East Main Street\nNorfolk, VA 23510\nUnited States",
        pays_after=21,
    ),
    AccountPlan(
        "kranich-werkzeugbau",
        "Kranich Werkzeugbau",
        HOSTPILOT,
        "Europe/Berlin",
        30,
        "kranich.example",
        _people("kranich.example", "Jutta Kranich", ("Bernd Vogel", Role.ADMIN), ("Anke Roth", Role.BILLING)),
        currency="EUR",
        billing_address="Kranich Werkzeugbau GmbH\nHebbelstraße 11\n10585 Berlin\nGermany",
        pays_after=14,
        extension_length=3,
    ),
    AccountPlan(
        "atelier-vasseur",
        "Atelier Vasseur",
        HOSTPILOT,
        "Europe/Paris",
        29,
        "vasseur.example",
        _people("vasseur.example", "Camille Vasseur", ("Luc Perrin", Role.ADMIN)),
        currency="EUR",
        billing_address="14 rue des Rosiers\n75004 Paris\nFrance",
        pays_after=18,
        extension_length=3,
    ),
    AccountPlan(
        "brightwater-studios",
        "Brightwater Studios",
        HOSTPILOT,
        "Europe/Dublin",
        1,
        "brightwater.example",
        _people("brightwater.example", "Sinead Doyle", ("Conor Walsh", Role.READ_ONLY)),
        currency="EUR",
        billing_address="Unit 4, Windmill Lane\nDublin D02\nIreland",
    ),
    AccountPlan(
        "kauri-travel",
        "Kauri Travel",
        HOSTPILOT,
        "Pacific/Auckland",
        8,
        "kauritravel.example",
        _people("kauritravel.example", "Aroha Tane", ("Finn Mackay", Role.ADMIN)),
        billing_address="21 Customs Street East\nAuckland 1010\nNew Zealand",
        pays_after=16,
    ),
    AccountPlan(
        "summit-outfitters",
        "Summit Outfitters",
        HOSTPILOT,
        "America/Denver",
        None,
        "summitoutfitters.example",
        _people("summitoutfitters.example", "Gail Brenner", ("Pete Larsen", Role.ADMIN)),
        billing_address="77 Pearl Street\nBoulder, CO 80302\nUnited States",
        pays_after=20,
    ),
)
