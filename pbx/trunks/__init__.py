"""Trunks: gateways and providers, the rules that lead calls through them, and the guards against fraud."""
