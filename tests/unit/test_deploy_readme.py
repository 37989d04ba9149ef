"""Does deploy/README.md name files, alerts and settings that exist?"""

import re
from pathlib import Path

from tests.dashboards import PROMETHEUS, rules

README = Path(__file__).parents[2] / "deploy" / "README.md"


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README.read_text()) if "://" not in link]
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_every_file_of_a_command_exists() -> None:
    blocks = re.findall(r"```\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert all(len(block.splitlines()) <= 10 for block in blocks)
    named = set(re.findall(r"(?<![\w/.])deploy/[\w./-]+", "\n".join(blocks))) - {"deploy/prometheus/"}
    assert named
    assert [path for path in named if not list(README.parents[1].glob(path.rstrip("/")))] == []


def test_every_alert_is_explained() -> None:
    told = set(re.findall(r"`(Throttleprobe\w+)`", README.read_text()))
    assert told == {rule["alert"] for rule in rules(PROMETHEUS / "throttleprobe.alerts.yml")}


def test_every_shipped_file_is_told_of() -> None:
    text = README.read_text()
    parts = [path.name for path in README.parent.iterdir() if path.is_dir()]
    assert [part for part in parts if f"{part}/" not in text and f"({part})" not in text] == []
    drop_ins = (README.parent / "systemd" / "throttleprobe-watch.service.d").iterdir()
    assert [path.name for path in drop_ins if path.name not in text] == []
