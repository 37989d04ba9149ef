"""What is there to say of a series of transfers, pair by pair? Rates, arms and reasons in words, for plots and beside
them. The figures that a verdict rests on are in its facts; these here are means of whole transfers.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from probe.checks.goodput import Arm, Phase, Series, Trial
from probe.formats.figures import rate
from probe.model.observations import Transfer

SUBJECT_ARMS = (Arm.TARGET, Arm.FOREIGN)  # the target's name is sent; the other arms are its controls
ARMS: dict[Arm, str] = {
    Arm.NEUTRAL: "a neutral name at the target's address",
    Arm.CONTROL: "a control's server",
}
FOREIGN_PAIR = "both names at a control's address"


def mean_bps(transfer: Transfer) -> float | None:
    """All bytes of a transfer over the time since its request; None where none came."""
    if transfer.t_request is None or transfer.num_bytes == 0 or transfer.t <= transfer.t_request:
        return None
    return transfer.num_bytes * 8 / (transfer.t - transfer.t_request)


def described(series: Series) -> str:
    """The pairs in words, for those who do not see the plot."""
    texts = [
        ", ".join(
            f"{_role(trial)} {rate(mean_bps(trial.transfer)) if mean_bps(trial.transfer) else 'no bytes'}"
            for trial in pair
        )
        for pair in pairs_of(series)
    ]
    return "; ".join(f"pair {place}: {text}" for place, text in enumerate(texts, start=1))


def pairs_of(series: Series) -> list[list[Trial]]:
    """Trials by pair, in the order measured; the arm with the target's name first."""
    found: dict[int, list[Trial]] = {}
    for trial in series.trials:
        if trial.pair is not None:
            found.setdefault(trial.pair, []).append(trial)
    return [sorted(pair, key=lambda trial: trial.arm not in SUBJECT_ARMS) for _, pair in sorted(found.items())]


def conditions(series: Series) -> Iterator[str]:
    """What each run of pairs compares with, as "pairs 1 to 4: a neutral name at the target's address"."""
    numbered = enumerate(pairs_of(series), start=1)
    for text, group in groupby(numbered, key=lambda item: _condition(item[1])):
        places = [place for place, _ in group]
        pairs = f"pair {places[0]}" if len(places) == 1 else f"pairs {places[0]} to {places[-1]}"
        yield f"{pairs}: {text}"


def _condition(pair: Sequence[Trial]) -> str:
    arms = {trial.arm for trial in pair}
    other = next((arm for arm in arms if arm not in SUBJECT_ARMS), None)
    text = FOREIGN_PAIR if Arm.FOREIGN in arms else ARMS.get(other, "no control") if other else "no control"
    repeated = any(trial.phase is Phase.CONFIRM for trial in pair)
    return f"{text}, measured again with fresh flows" if repeated else text


def _role(trial: Trial) -> str:
    return "target" if trial.arm in SUBJECT_ARMS else "control"
