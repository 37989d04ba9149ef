"""Do imports point only down, and is each outside library used only where the design puts it?"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "probe"

LEVELS: dict[str, int] = {
    "probe": 0,
    "probe.model": 0,
    "probe.failure": 0,
    "probe.config": 0,
    "probe.stats": 0,
    "probe.wire": 0,
    "probe.net": 1,
    "probe.checks": 2,
    "probe.verdict": 3,
    "probe.registry": 4,
    "probe.judgement": 4,
    "probe.budget": 4,
    "probe.runner": 4,
    "probe.assembly": 4,
    "probe.records": 4,
    "probe.store": 4,
    "probe.schedule": 4,
    "probe.measuring": 5,
    "probe.metrics": 5,
    "probe.push": 5,
    "probe.watch": 5,
    "probe.report": 5,
    "probe.formats": 5,
    "probe.commands": 5,
    "probe.lab": 5,
    "probe.cli": 6,
    "probe.__main__": 6,
}
# A check sees the network's protocols alone; the concrete network is handed over in the context.
CHECKS_MAY_SEE = {"probe.net.base"}
ONLY_IN: dict[str, tuple[str, ...]] = {
    "scapy": ("probe/net/raw.py",),
    "aiohttp": ("probe/net/http.py", "probe/lab/", "probe/watch/", "probe/push/"),
    "socket": ("probe/net/", "probe/lab/", "probe/watch/", "probe/push/"),
    "ssl": ("probe/net/", "probe/lab/", "probe/push/"),
    "prometheus_client": ("probe/metrics/", "probe/watch/", "probe/push/"),
    "structlog": ("probe/watch/",),
    "cramjam": ("probe/push/",),
    "matplotlib": ("probe/formats/", "probe/lab/score/figure.py"),
    "rich": ("probe/formats/", "probe/commands/", "probe/lab/"),
    "pydantic": ("probe/config",),
    "sqlite3": ("probe/store", "probe/push/"),
    "scipy": ("probe/lab/score/intervals.py",),
    "trustme": ("probe/lab/",),
    "dns": ("probe/wire/dns.py", "probe/net/", "probe/lab/"),  # in wire its messages alone
}
CALLS_ONLY_IN: dict[str, tuple[str, ...]] = {
    "time.time": ("probe/lab/",),
    "time.monotonic": ("probe/net/", "probe/lab/", "probe/watch/", "probe/push/", "probe/commands/progress.py"),
    "asyncio.sleep": ("probe/net/", "probe/lab/", "probe/watch/", "probe/push/"),
    "datetime.now": (
        "probe/runner.py",
        "probe/commands/",
        "probe/store",
        "probe/lab/",
        "probe/watch/",
        "probe/measuring.py",
    ),
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, path


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def level(module: str) -> int:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in LEVELS and (length > 1 or len(parts) == 1):
            return LEVELS[name]
    pytest.fail(f"{module} has no level: add it to the table and say where it belongs in the design")


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_every_module_has_a_level() -> None:
    for name, _ in modules():
        level(name)


def test_imports_point_only_down() -> None:
    wrong = [
        f"{name} (level {level(name)}) imports {other} (level {level(other)})"
        for name, path in modules()
        for other in imports(path)
        if other.startswith("probe.") and is_module(other) and level(other) > level(name)
    ]
    assert not wrong


def test_checks_see_only_the_protocols_of_the_network() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, path in modules()
        if name.startswith(("probe.checks", "probe.verdict"))
        for other in imports(path)
        if other.startswith("probe.net.") and is_module(other) and other not in CHECKS_MAY_SEE
    ]
    assert not wrong


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_where_they_belong(library: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for _, path in modules()
        if any(other.split(".")[0] == library for other in imports(path))
        and not str(path.relative_to(ROOT)).startswith(ONLY_IN[library])
    ]
    assert not wrong


@pytest.mark.parametrize("call", CALLS_ONLY_IN)
def test_time_and_sleep_are_arguments_elsewhere(call: str) -> None:
    owner, name = call.split(".")
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for _, path in modules()
        if not str(path.relative_to(ROOT)).startswith(CALLS_ONLY_IN[call])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
    ]
    assert not wrong


def test_old_evidence_is_judged_without_a_network_library() -> None:
    code = (
        "import sys, probe.judgement;"
        "print([m for m in ('aiohttp', 'scapy', 'ssl', 'dns', 'pydantic', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
