"""How are rates, amounts and times written for a person? Three digits, decimal units, the unit always said."""

UNKNOWN = "unknown"

_RATES = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s"))
_AMOUNTS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def rate(bps: float | None) -> str:
    """138 kbit/s, 17.9 Mbit/s; "unknown" for None."""
    if bps is None:
        return UNKNOWN
    number, unit = _rate(bps)
    return f"{number} {unit}"


def compared(target_bps: float | None, control_bps: float | None, *, slowed: bool) -> str:
    """A target's rate with its control's: "138 kbit/s of 17.9 Mbit/s" when slowed, else "17 Mbit/s (control 18)"."""
    if control_bps is None:
        return rate(target_bps)
    if slowed or target_bps is None:
        return f"{rate(target_bps)} of {rate(control_bps)}"
    _, unit = _rate(target_bps)
    number, control_unit = _rate(control_bps)
    control = number if control_unit == unit else f"{number} {control_unit}"
    return f"{rate(target_bps)} (control {control})"


def amount(num_bytes: int) -> str:
    """812 bytes, 4.21 MB: decimal units, as data plans count."""
    for size, unit in _AMOUNTS:
        if num_bytes >= size * 0.9995:
            return f"{_three(num_bytes / size)} {unit}"
    return f"{num_bytes} byte" if num_bytes == 1 else f"{num_bytes} bytes"


def duration(seconds: float) -> str:
    """41 ms, 4.1 s, 61 s, 3 min 5 s."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _rate(bps: float) -> tuple[str, str]:
    for size, unit in _RATES:
        if bps >= size * 0.9995:
            return _three(bps / size), unit
    return "0", "bit/s"


def _three(number: float) -> str:
    """Three significant digits without an exponent or trailing zeros."""
    if number >= 999.5:
        return f"{number:.0f}"
    digits = 0 if number >= 99.95 else 1 if number >= 9.995 else 2
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{number:.0f}"
