"""What every test can ask for, and the house rules: nothing is skipped, and the run says what ran."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models import Model
from django.db.models.signals import post_migrate
from django.http.response import HttpResponseBase
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests import browsing, services
from tests.settings import FOLDER
from tests.stripe_peer import StripePeer

# The house rules

PAGE_QUERIES = 12
"""The most queries that any page may ask, however many rows it shows."""

OWN_APPS = ("accounts", "billing", "telephony", "hardware")
"""The apps that have tables of their own."""

COUNTS = pytest.StashKey[dict[str, int]]()


def on_postgres() -> bool:
    """Whether this run is on PostgreSQL."""
    return str(settings.DATABASES["default"]["ENGINE"]).endswith("postgresql")


# What pages look like, who may open them, what the README says of the demo, and stories that are drawn at random:
# one database tells as much as two.
TOLD_ONCE = (
    "browser",
    "controlpanel",
    "test_every_url.py",
    "test_readme.py",
    "stories/test_naive.py",
    "stories/test_outages.py",
)


# Tests of programs that take long: in the beginning, lest one process end with them alone, or the two share them.
LONG = (
    "billing/test_workers.py",
    "controlpanel/test_serve.py",
    "stories/test_as_a_process.py",
    "test_migrations.py",
    "test_services.py",
)


def place_of(item: pytest.Item) -> str:
    """The file of a test, below this folder."""
    return item.path.relative_to(Path(__file__).parent).as_posix()


def is_told_already(item: pytest.Item) -> bool:
    """Whether a run on SQLite tells enough: tests of actions, runs, races and stories ask for a database by mark."""
    if item.get_closest_marker("postgres"):
        return False
    in_browser = "browser" in getattr(item, "fixturenames", ())
    return in_browser or place_of(item).startswith(TOLD_ONCE) or not item.get_closest_marker("django_db")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count, the tests that are another database's: those that make sense on PostgreSQL alone, and
    on the second database of a run (``TEST_SECOND``) those that the first has told already. What is long comes first.
    """
    if os.environ.get("TEST_SECOND"):
        left_out = [item for item in items if is_told_already(item)]
    else:
        left_out = [] if on_postgres() else [item for item in items if item.get_closest_marker("postgres")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        unwanted = set(left_out)
        items[:] = [item for item in items if item not in unwanted]
    items.sort(key=lambda item: not place_of(item).startswith(LONG))
    counts = {
        "left_out": len(left_out),
        "in_browser": sum("browser" in getattr(item, "fixturenames", ()) for item in items),
        "with_broker": sum("broker" in getattr(item, "fixturenames", ()) for item in items),
        "with_stripe": sum("stripe_peer" in getattr(item, "fixturenames", ()) for item in items),
    }
    config.stash[COUNTS] = counts
    if hasattr(config, "workeroutput"):
        config.workeroutput["counts"] = counts


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker process of pytest-xdist counted; each collects all tests, so any one will do."""
    counts = getattr(node, "workeroutput", {}).get("counts")
    if counts:
        node.config.stash[COUNTS] = counts


def pytest_unconfigure() -> None:
    """Remove the run's data: pytest-xdist ends its processes too abruptly for what waits for their exit."""
    shutil.rmtree(FOLDER, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when a test was skipped or expected to fail: a test that does not run guards nothing."""
    if hasattr(session.config, "workeroutput"):
        return
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = {name: len(reports) for name, reports in reporter.stats.items()} if reporter else {}
    avoided = sum(stats.get(name, 0) for name in ("skipped", "xfailed", "xpassed"))
    if avoided and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(
            f"\n{avoided} tests were skipped or expected to fail, which fails the run.", red=True
        )
    if report := os.environ.get("TEST_REPORT"):
        counts = session.config.stash.get(COUNTS, {})
        Path(report).write_text(json.dumps({"passed": stats.get("passed", 0), "avoided": avoided, **counts}))


# The database


@pytest.fixture(scope="session", autouse=True)
def _flush_lifts_the_locks() -> Iterator[None]:
    """Let tests with real transactions empty SQLite's tables, where triggers refuse every DELETE (ACC-5, INV-1).

    PostgreSQL truncates, which those triggers do not hear of. Nothing else may take the locks off.
    """
    if on_postgres():
        yield
        return
    flush = DatabaseWrapper.ops_class.execute_sql_flush

    def execute_sql_flush(operations: BaseDatabaseOperations, statements: list[str]) -> None:
        with operations.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f'DROP TRIGGER "{name}"')
            try:
                flush(operations, statements)
            finally:
                for _, definition in triggers:
                    cursor.execute(definition)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseWrapper.ops_class, "execute_sql_flush", execute_sql_flush)
        yield


@pytest.fixture(scope="session", autouse=True)
def _models_of_the_past_listen_to_nothing() -> Iterator[None]:
    """Migrate in half the time: models as migrations knew them have no transitions for django-fsm to collect.

    It has every state field listen to every model that is prepared after it, and migrations prepare thousands.
    """
    with patch("django_fsm.class_prepared"):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Have what migrations loaded put back whenever a test with real transactions has emptied the tables.

    At once, so that every test finds the catalogue, in whichever order and process tests are run; and as the database
    had it when it was new, so that no migration need be named here.
    """
    models: list[type[Model]] = [Group]
    for label in OWN_APPS:
        models += apps.get_app_config(label).get_models(include_auto_created=True)
    with django_db_blocker.unblock():
        rows = {model: found for model in models if (found := list(model._base_manager.all()))}

    def put_back(**_: object) -> None:
        with transaction.atomic():
            for model, found in rows.items():
                model._base_manager.bulk_create(found)

    # The end of `flush` is told once for each app.
    once = apps.get_app_config(OWN_APPS[0])
    post_migrate.connect(put_back, sender=once)
    yield
    post_migrate.disconnect(put_back, sender=once)


@pytest.fixture
def opens_cheaply(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> Callable[[Client, str], HttpResponseBase]:
    """``opens_cheaply(client, address)`` opens a page: status 200, and no more queries than a page may have."""

    def opens(client: Client, address: str) -> HttpResponseBase:
        with django_assert_max_num_queries(PAGE_QUERIES):
            response = client.get(address)
        assert response.status_code == 200
        return response

    return opens


# A broker


@pytest.fixture
def broker(worker_number: int) -> Iterator[str]:
    """The address of an empty broker that speaks the Redis protocol, for ``BROKER_URL`` or ``CACHE_URL``.

    A server of the test's own, so that nothing which another test left running can write to it; one that
    ``TEST_BROKER_URL`` names is shared, and has to be empty, since somebody may want to keep what it holds.
    """
    named = os.environ.get("TEST_BROKER_URL")
    with services.broker(named) as server:
        url = f"{server.url}?db={worker_number}" if "?" not in server.url else server.url
        with redis.Redis.from_url(url) as client:
            assert client.dbsize() == 0, "the broker that TEST_BROKER_URL names is not empty"
            yield url
            if named:
                client.flushdb()


@pytest.fixture(scope="session")
def worker_number() -> int:
    """0 for the first process of the run, 1 for the second, and so on."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


# Stripe


@pytest.fixture(scope="session")
def _stripe() -> Iterator[StripePeer]:
    """A server that stands for Stripe, one for all tests of this process."""
    with services.stripe() as server:
        yield StripePeer(server.url)


@pytest.fixture
def stripe_peer(_stripe: StripePeer) -> StripePeer:
    """The same, empty."""
    _stripe.reset()
    return _stripe


# A browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, without a window, with a home of its own."""
    home = str(tmp_path_factory.mktemp("home"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=services.chromium(),
            env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home},
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser nobody is signed in with: 1440 wide, US English, UTC, without animation."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", timezone_id="UTC", reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, panel: LiveServer) -> Iterator[Page]:
    """A page of that browser; addresses are the panel's.

    The test fails when the page logs an error (a refused inline style is one), lacks a file it asked for, or asks
    another host for anything.
    """
    page = context.new_page()
    faults = browsing.watch(page, panel.url)
    yield page
    assert not faults, "\n".join(faults)


@pytest.fixture
def panel(live_server: LiveServer) -> LiveServer:
    """The panel, served on a port of its own from the test's database; ``panel.url`` begins its addresses."""
    return live_server


@pytest.fixture
def sign_in(context: BrowserContext, panel: LiveServer) -> Callable[[User], None]:
    """``sign_in(user)`` signs the browser in, without the sign-in page."""

    def sign_in(user: User) -> None:
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": session.key, "value": session.value, "url": panel.url}])

    return sign_in
