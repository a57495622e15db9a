"""Dialogs, INVITE sessions, offer and answer (RFC 3261 sections 12 to 15, RFC 3264, RFC 3311)."""
