"""Which TLS connections does a machine of the censor open, and what does it say inside?

Data only; the program is `probe.lab.interceptor`, the rule that sends flows there `probe.lab.actions.divert`'s.
"""

from dataclasses import dataclass

from probe.lab.matchers import NamePattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Interception:
    """What the interceptor in front of one server does with what was meant for it.

    `upstream` is the server's address. TLS for a listed name (or, without `names`, for every one) is answered with a
    certificate made on the spot under the interceptor's own root, and carried on to the server over a second TLS
    connection, or with `notice` answered with a blockpage; all else is passed on as it is.

    Kazakhstan, July 2019: 37 names, Facebook's, Google's and Twitter's among them, only where the server had a valid
    certificate (Raman et al., "Investigating large scale HTTPS interception in Kazakhstan", IMC 2020).
    """

    upstream: str
    names: tuple[NamePattern, ...] = ()
    notice: bool = False

    def opens(self, name: str | None) -> bool:
        """Whether a ClientHello with this server name is intercepted."""
        return name is not None and (not self.names or any(pattern.covers(name) for pattern in self.names))
