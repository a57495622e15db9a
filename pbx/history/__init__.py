"""Calls that are over: one record for each attempt, and the lists that users see of them."""
