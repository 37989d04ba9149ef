"""Which public resolvers withhold names because whoever set them up wants it so?

Data only, from the operators' own pages as of 2026: for families, against malware, against advertisers. What a
provider's resolver withholds is the network's doing; what these withhold is the household's.
"""

_CLOUDFLARE_FOR_FAMILIES = (
    "1.1.1.2",
    "1.0.0.2",
    "1.1.1.3",
    "1.0.0.3",
    "2606:4700:4700::1112",
    "2606:4700:4700::1002",
    "2606:4700:4700::1113",
    "2606:4700:4700::1003",
)
_QUAD9 = (
    "9.9.9.9",
    "149.112.112.112",
    "9.9.9.11",
    "149.112.112.11",
    "2620:fe::fe",
    "2620:fe::9",
    "2620:fe::11",
    "2620:fe::fe:11",
)
_ADGUARD = (
    "94.140.14.14",
    "94.140.15.15",
    "94.140.14.15",
    "94.140.15.16",
    "2a10:50c0::ad1:ff",
    "2a10:50c0::ad2:ff",
    "2a10:50c0::bad1:ff",
    "2a10:50c0::bad2:ff",
)
_CLEANBROWSING = (
    "185.228.168.168",
    "185.228.169.168",
    "185.228.168.10",
    "185.228.169.11",
    "185.228.168.9",
    "185.228.169.9",
)
_OPENDNS = (
    "208.67.222.222",
    "208.67.220.220",
    "208.67.222.123",
    "208.67.220.123",
    "2620:119:35::35",
    "2620:119:53::53",
    "2620:119:35::123",
    "2620:119:53::123",
)
_YANDEX_SAFE_AND_FAMILY = ("77.88.8.88", "77.88.8.2", "77.88.8.7", "77.88.8.3")

FILTERING_RESOLVERS = frozenset(
    {
        *_CLOUDFLARE_FOR_FAMILIES,
        *_QUAD9,
        *_ADGUARD,
        *_CLEANBROWSING,
        *_OPENDNS,
        *_YANDEX_SAFE_AND_FAMILY,
    }
)
