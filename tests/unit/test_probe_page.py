"""Does docs/probe.md name every metric, every reason, every setting and every built-in module of `/probe`?"""

import dataclasses
import re
from pathlib import Path

from probe.config.watch_file import DEFAULT_MODULES, ProbeModule
from probe.metrics.blackbox import DEFINITIONS, DNS_PHASES, HTTP_PHASES, REASONS, Refusal
from probe.net.base import MAX_BODY_BYTES
from probe.watch.probe_page import CONNECTION_BYTES
from probe.watch.probing import MAX_AT_ONCE

PAGE = (Path(__file__).parents[2] / "docs" / "probe.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"[a-z][a-z0-9_]+", PAGE))
RENAMED = {"timeout_seconds": "timeout", "name": "module"}


def test_metrics() -> None:
    assert set(DEFINITIONS) <= WORDS
    named = set(re.findall(r"`((?:probe|throttleprobe_probe)_[a-z_]+)", PAGE))
    assert named == set(DEFINITIONS)
    assert {*HTTP_PHASES, *DNS_PHASES} <= WORDS


def test_reasons() -> None:
    assert {refusal.value for refusal in Refusal} <= WORDS
    assert {refusal.value for refusal in Refusal} < REASONS


def test_settings_and_modules() -> None:
    settings = {RENAMED.get(field.name, field.name) for field in dataclasses.fields(ProbeModule)}
    assert settings <= WORDS
    assert {module.name for module in DEFAULT_MODULES} <= WORDS


def test_bounds() -> None:
    assert MAX_BODY_BYTES == 65536
    assert CONNECTION_BYTES == 192 * 1024
    assert MAX_AT_ONCE == 8
