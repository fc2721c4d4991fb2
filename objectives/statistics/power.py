"""What n examples can certify, known before any of them is used."""

from __future__ import annotations

from objectives.statistics.paired import paired_drop_p_value

ALPHA = 0.05  # one-sided, of every certificate
DISCORDANT_SHARE = 0.03  # of examples that change between right and wrong: what a drop of a point usually costs
_LARGEST_N = 10**9


def largest_certifiable_drop(n: int, discordant_share: float, epsilon: float, *, alpha: float = ALPHA) -> float | None:
    """Return the largest observed drop, a multiple of 1/n, that certifies a true drop within `epsilon`.

    Args:
        n: verification examples.
        discordant_share: share of them that only one of the two models answers rightly.
        epsilon: tolerated drop.
        alpha: one-sided error: 5 % for each step of a fixed sequence, less for the first step of Holm's correction.

    Returns:
        The drop; negative where only an improvement certifies, None where nothing does.
    """
    discordant = round(_checked_share(discordant_share) * n)
    certified, refused = -discordant - 1, discordant + 1  # bisect on the net losses: certifying is monotone
    while refused - certified > 1:
        middle = (certified + refused) // 2
        if _certifies(middle, discordant, n, epsilon, alpha):
            certified = middle
        else:
            refused = middle
    return certified / n if certified >= -discordant else None


def smallest_certifying_n(
    discordant_share: float, epsilon: float, *, drop: float = 0.0, alpha: float = ALPHA
) -> int | None:
    """Return the smallest n at which an observed `drop` certifies `epsilon`; None if not with a billion examples."""
    share = max(_checked_share(discordant_share), abs(drop))

    def certifies(n: int) -> bool:
        return _certifies(drop * n, share * n, n, epsilon, alpha)

    if not certifies(_LARGEST_N):
        return None
    refused, certified = 0, _LARGEST_N
    while certified - refused > 1:
        middle = (refused + certified) // 2
        refused, certified = (refused, middle) if certifies(middle) else (middle, certified)
    return certified


def describe_power(n: int, epsilon: float, *, discordant_share: float = DISCORDANT_SHARE, alpha: float = ALPHA) -> str:
    """Return in one sentence what `n` verification examples can certify at `epsilon`."""
    drop = largest_certifiable_drop(n, discordant_share, epsilon, alpha=alpha)
    wanted = smallest_certifying_n(discordant_share, epsilon, alpha=alpha) if drop is None or drop < 0 else None
    return (
        f"with n={n:,} and {100 * discordant_share:.3g} % discordant examples {_certifiable(drop)} can be certified "
        f"at ε = {epsilon:g}; one example is {1 / n:.2g}" + (f"; no drop at all needs n={wanted:,}" if wanted else "")
    )


def _certifiable(drop: float | None) -> str:
    if drop is None:
        return "no observed drop or gain"
    return f"an observed drop of at most {drop:.4f}" if drop >= 0 else f"only an observed gain of at least {-drop:.4f}"


def _certifies(net: float, discordant: float, n: int, epsilon: float, alpha: float) -> bool:
    return paired_drop_p_value((discordant + net) / 2, (discordant - net) / 2, n, epsilon) <= alpha


def _checked_share(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"discordant_share must be in [0, 1], got {share}")
    return share
