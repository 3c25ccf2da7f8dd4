"""The page of the table."""

PAGE = None


def page(rows):
    return ""
