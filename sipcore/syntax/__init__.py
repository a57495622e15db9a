"""SIP messages from bytes and to bytes (RFC 3261 sections 7, 19, 20 and 25)."""
