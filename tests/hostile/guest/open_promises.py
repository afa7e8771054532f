"""Rows of the table whose promise does not hold yet, by name. They are skipped, and listed."""

OPEN = frozenset()
