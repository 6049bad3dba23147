"""Who walks through the panel in these tests: with script, and without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests.browser.visitor import Visitor
from tests.browsing import watch


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def visitor(request: pytest.FixtureRequest, browser: Browser, panel: LiveServer) -> Iterator[Visitor]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",
        java_script_enabled=request.param,
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    faults = watch(page, panel.url)
    yield Visitor(page, request.param, panel.url)
    context.close()
    assert not faults, "\n".join(faults)
