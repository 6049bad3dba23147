"""How property tests are run: the same examples each time, so that a run is stable and its length known.

``EXAMPLES=50 pytest tests/billing`` looks further: fifty times as many examples, drawn anew each time.
"""

import os

from hypothesis import HealthCheck, settings

_TIMES = int(os.environ.get("EXAMPLES", "1"))


def examples(count: int) -> settings:
    """A decorator: try so many examples."""
    return settings(
        max_examples=count * _TIMES,
        derandomize=_TIMES == 1,
        database=None,
        deadline=None,
        # Fixtures are the database of the test; each example takes back what it did.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
