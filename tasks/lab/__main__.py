"""The command ``python -m zoo.tasks.lab``."""

from zoo.tasks.lab.comparison import main

if __name__ == "__main__":
    main()
