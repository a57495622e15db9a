"""Who is where (RFC 3261 section 10), and who may say so (section 22)."""
