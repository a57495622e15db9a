"""How bytes travel (RFC 3261 section 18), as values: flows, framing, response routing."""
