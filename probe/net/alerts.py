"""Which TLS alert did the peer send?

An alert comes from a server (or from whoever speaks TLS in its place), not from a dropped or reset connection, so it
is told apart by name. Before keys exist, alerts are plain records and are read from the stream; later ones only
OpenSSL sees, and they are read from its error.

Source: RFC 8446 §6 and RFC 5246 §7.2 (names and numbers), openssl/sslerr.h (reasons).
"""

import ssl

NAMES = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
_BY_NAME = frozenset(NAMES.values())
_PREFIXES = ("SSLV3_ALERT_", "TLSV1_ALERT_", "TLSV13_ALERT_", "TLSV1_")

CONTENT_ALERT = 21
RECORD_HEADER_BYTES = 5
ALERT_BYTES = 2
LEVEL_FATAL = 2


def alert_of_error(error: ssl.SSLError) -> str | None:
    """The alert that OpenSSL says it received, None when the error is about something else.

    OpenSSL's reasons are `SSLV3_ALERT_HANDSHAKE_FAILURE`, `TLSV1_UNRECOGNIZED_NAME` and their like.
    """
    reason = error.reason or ""
    for prefix in _PREFIXES:
        name = reason.removeprefix(prefix).lower()
        if reason.startswith(prefix) and name in _BY_NAME:
            return name
    return None


class AlertReader:
    """Watches a peer's byte stream for plain alert records; `alert` is the last one, `fatal` whether it ends things.

    Encrypted records of TLS 1.3 carry another type and pass unseen. Keeps at most one record header.
    """

    __slots__ = ("_header", "_left", "_lost", "_payload", "alert", "fatal")

    def __init__(self) -> None:
        self._header = b""
        self._payload = b""
        self._left = 0
        self._lost = False
        self.alert: str | None = None
        self.fatal = False

    def feed(self, data: bytes) -> None:
        while data and not self._lost:
            if not self._left:
                wanted = RECORD_HEADER_BYTES - len(self._header)
                self._header, data = self._header + data[:wanted], data[wanted:]
                if len(self._header) == RECORD_HEADER_BYTES:
                    self._begin()
                continue
            part, data = data[: self._left], data[self._left :]
            self._left -= len(part)
            if self._header[0] == CONTENT_ALERT:
                self._payload += part
            if not self._left:
                self._end()

    def _begin(self) -> None:
        self._left = int.from_bytes(self._header[3:5], "big")
        self._payload = b""
        is_alert = self._header[0] == CONTENT_ALERT
        # After the first thing that is no TLS record there is no telling where the next one starts.
        self._lost = self._header[1] != 3 or (is_alert and self._left != ALERT_BYTES)
        if not self._left:
            self._header = b""

    def _end(self) -> None:
        if self._header[0] == CONTENT_ALERT and len(self._payload) == ALERT_BYTES:
            self.alert = NAMES.get(self._payload[1], f"alert_{self._payload[1]}")
            self.fatal = self._payload[0] == LEVEL_FATAL
        self._header = b""
