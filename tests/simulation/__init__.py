"""The simulator: virtual time, a seeded network, and an office of scripted phones upon them."""
