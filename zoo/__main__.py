"""``python -m zoo COMMAND``: use trained models from the command line."""

from zoo.cli.commands import main

if __name__ == "__main__":
    main()
