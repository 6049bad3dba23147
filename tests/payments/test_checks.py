"""What `manage.py check` says of how payments are set up (INV-6)."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.core.checks import CheckMessage, run_checks

LIVE, TEST, HOOK = "sk_live_x", "sk_test_x", "whsec_x"


def found() -> list[CheckMessage]:
    return [
        said for said in run_checks(include_deployment_checks=True) if str(said.id).startswith("billing.")
    ]


@pytest.mark.parametrize(
    ("production", "key", "hook", "base", "ids"),
    [
        (False, "", "", "", []),
        (True, "", "", "", []),
        (False, TEST, "", "", []),
        (True, LIVE, HOOK, "", []),
        (True, "rk_live_x", HOOK, "", []),
        (True, LIVE, "", "", ["billing.E001"]),
        (True, LIVE, HOOK, "http://localhost", ["billing.E002"]),
        (True, TEST, HOOK, "", ["billing.W002"]),
        (False, LIVE, HOOK, "", ["billing.W001"]),
        (False, "pk_test_x", HOOK, "", ["billing.E003"]),
    ],
)
def test_what_is_missing_or_does_not_belong_there_is_said(
    settings: LazySettings, production: bool, key: str, hook: str, base: str, ids: list[str]
) -> None:
    settings.PRODUCTION = production
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_API_BASE = key, hook, base
    assert [said.id for said in found()] == ids
    assert all(said.hint for said in found())
    assert not any("_x" in f"{said.msg}{said.hint}" for said in found())
