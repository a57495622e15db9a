"""How the tables came to be: one chain of revisions, and the upgrade that follows it."""
