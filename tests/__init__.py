"""The tests; `tests.helpers` holds what they share."""
