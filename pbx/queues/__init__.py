"""Queues: callers wait for an agent. Settings, a pure machine that says who is offered whom, and who carries it out."""
