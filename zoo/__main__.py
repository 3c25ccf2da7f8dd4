"""``python -m zoo``: the command ``zoo``, where it is not on the path."""

from zoo.cli.commands import main

if __name__ == "__main__":
    main()
