"""SIP words and rules, without I/O: every machine takes (input, now) and returns effects."""
