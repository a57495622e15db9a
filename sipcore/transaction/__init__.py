"""The four transaction machines and their table (RFC 3261 section 17, RFC 6026)."""
