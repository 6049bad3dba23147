"""What may be imported where, beyond what the import contracts in pyproject.toml can say."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE = sorted((ROOT / "billing" / "engine").rglob("*.py"))
APPS = ("accounts", "billing", "telephony", "hardware", "controlpanel")


def imported(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, wherever in the file it does."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*above, *(node.module.split(".") if node.module else ())])


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.name)
def test_the_engine_needs_nothing_but_the_standard_library(path: Path) -> None:
    for name in imported(path):
        own = name == "billing.engine" or name.startswith("billing.engine.")
        assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_there_is_an_engine_to_look_at() -> None:
    assert len(ENGINE) > 1


@pytest.mark.parametrize("app", APPS)
def test_the_product_does_not_import_its_tests(app: str) -> None:
    for path in (ROOT / app).rglob("*.py"):
        assert not [
            name for name in imported(path) if name.partition(".")[0] in {"tests", "pytest", "factory"}
        ], path
