"""Prompts: what is said to callers, as tokens, as words, as sound. And music."""
