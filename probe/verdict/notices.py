"""Is a page a censor's notice?

A status or words that only a ban by law explains; a page that merely refuses ("you have been blocked") may be any
server's own. Words of a person's own come with `known_blockpages`. Where a page was fetched is the judges' business.
"""

from probe.model.observations import HttpExchange
from probe.verdict.answers import TINY_BODY_BYTES, UNAVAILABLE_FOR_LEGAL_REASONS

# In lower case, as operators' notices word it; each names an order, a law or the authority behind it, so that neither a
# parked domain nor a firewall's refusal holds one. By country: international, Russia, Turkey, Indonesia, Iran, Italy,
# Germany, India, France, Spain.
LEGAL_WORDS = (
    "blocked by order",
    "by order of the court",
    "court order",
    "restricted by law",
    "prohibited by law",
    "blocked in accordance with the law",
    "роскомнадзор",
    "149-фз",
    "по решению суда",
    "по решению органов государственной власти",
    "доступ ограничен по решению",
    "mahkeme kararı",
    "5651 sayılı",
    "bilgi teknolojileri ve iletişim kurumu",
    "internet positif",
    "trustpositif",
    "peyvandha",
    "autorità giudiziaria",
    "provvedimento dell",
    "clearingstelle urheberrecht",
    "department of telecommunications",
    "décision de justice",
    "orden judicial",
)


def is_notice(exchange: HttpExchange) -> bool:
    """Whether an answer is a notice by its status (RFC 7725), or a small page that names a ban by law."""
    if exchange.status is None:
        return False
    if exchange.status == UNAVAILABLE_FOR_LEGAL_REASONS:
        return True
    text = f"{exchange.title} {exchange.body}".lower()
    return exchange.body_bytes < TINY_BODY_BYTES and any(words in text for words in LEGAL_WORDS)
