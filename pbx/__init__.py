"""The switch between SIP and sound: calls, legs, routing, and what features build on."""
