"""What did the person agree to, also when the store breaks?

A copy lies beside the store, for the one case that a broken store is replaced: measuring on a schedule goes on with
what was agreed to. A store that the person removed takes the agreement with it, whatever the copy says.
"""

import json
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probe.store.errors import StoreError

PRIVATE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the person agreed to: a version of the policy, and groups of risky targets."""

    policy_version: str
    risk_groups: tuple[str, ...]
    given_at: str


def copy_of(store: Path) -> Path:
    """Where the copy lies."""
    return store.with_name(store.name + ".consent")


def read(cursor: sqlite3.Cursor) -> Consent | None:
    """The last one that was given."""
    row = cursor.execute(
        "SELECT policy_version, risk_groups, given_at FROM consents ORDER BY rowid DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Consent(policy_version=row[0], risk_groups=_groups(row[1]), given_at=row[2])


def put(cursor: sqlite3.Cursor, consent: Consent) -> None:
    """Add one."""
    cursor.execute(
        "INSERT INTO consents (given_at, policy_version, risk_groups) VALUES (?, ?, ?)",
        (consent.given_at, consent.policy_version, json.dumps(sorted(consent.risk_groups))),
    )


def copy(store: Path, consent: Consent) -> None:
    """Write the copy; where that fails the store has it all the same."""
    path = copy_of(store)
    written = path.with_name(f"{path.name}.{os.getpid()}")
    text = json.dumps([consent.policy_version, sorted(consent.risk_groups), consent.given_at])
    with suppress(OSError):
        descriptor = os.open(written, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)


def forget_copy(store: Path) -> None:
    """Remove the copy, before consent is withdrawn. Raises StoreError: what was withdrawn must not come back."""
    try:
        copy_of(store).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{copy_of(store)} cannot be removed: {error.strerror}") from error


def restore(store: Path, cursor: sqlite3.Cursor) -> None:
    """Bring the copy into a new store that has none; a copy that cannot be read is no consent."""
    if read(cursor) is not None:
        return
    with suppress(OSError, ValueError, TypeError):
        version, groups, given_at = json.loads(copy_of(store).read_text(encoding="utf-8"))
        put(
            cursor,
            Consent(policy_version=str(version), risk_groups=_groups(json.dumps(groups)), given_at=str(given_at)),
        )


def _groups(text: str) -> tuple[str, ...]:
    return tuple(str(group) for group in json.loads(text))
