"""Does a lab that cannot start say what is missing, and leave nothing behind?"""

import os
from pathlib import Path

import pytest

from probe.lab.session import Lab, LabError


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the lab would make its directory."""
    place = tmp_path / "made"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def put_command(directory: Path, name: str, script: str) -> None:
    directory.mkdir(exist_ok=True)
    command = directory / name
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def test_a_missing_command_is_named(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_command(tmp_path / "bin", "ip", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(LabError, match="`unshare`"), Lab():
        pytest.fail("it started")
    assert list(temporary.iterdir()) == []


def test_forbidden_namespaces_are_named(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_command(tmp_path / "bin", "unshare", "echo 'unshare failed: Operation not permitted' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(LabError, match=r"unshare failed: Operation not permitted(.|\n)*max_user_namespaces"), Lab():
        pytest.fail("it started")
    assert list(temporary.iterdir()) == []
