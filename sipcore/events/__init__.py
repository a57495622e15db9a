"""Event packages: who watches what (RFC 6665), who publishes what (RFC 3903), and the documents they are told."""
