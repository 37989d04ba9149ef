"""What would be contacted, for a person to read: hosts, ports, purposes and bytes of a plan."""

from collections.abc import Sequence

from probe.config import Contact, Plan


def contacts_text(plan: Plan) -> str:
    """The whole plan as indented text."""
    lines = ["controls (once a run)", *_contacts(plan.controls)]
    for target in plan.targets:
        risk = (
            "  HIGH RISK: only with --risk high, or after agreeing to the group" if target.risk.value == "high" else ""
        )
        size = f"about {target.expected_bytes / 1e6:.1f} MB, at most {target.max_bytes / 1e6:.1f} MB"
        lines += ["", f"{target.id} ({target.name}): {size}{risk}", *_contacts(target.contacts)]
    lines += ["", f"in all about {plan.expected_bytes / 1e6:.0f} MB, at most {plan.max_bytes / 1e6:.0f} MB"]
    return "\n".join(lines)


def _contacts(contacts: Sequence[Contact]) -> list[str]:
    return [f"  {c.host}:{c.port}  {', '.join(c.purposes)}" for c in contacts]
