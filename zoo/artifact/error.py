"""The error of a folder that cannot be loaded."""

from zoo import checks


class ArtifactError(ValueError):
    """A folder without a model that this version can load.

    The message is one line of at most `zoo.checks.LONGEST_MESSAGE` characters, whatever
    the files contain.
    """

    def __init__(self, message: str) -> None:
        """Build the error.

        Args:
            message: what is wrong with which file; may quote the file.
        """
        super().__init__(checks.one_line(message))
