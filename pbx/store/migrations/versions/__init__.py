"""The revisions, numbered; each names the one before it."""
