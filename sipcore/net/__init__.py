"""Sockets: the only files of the SIP stack that wait for anything."""
