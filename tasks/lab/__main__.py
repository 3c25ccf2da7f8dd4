"""The command ``python -m tasks.lab``."""

from tasks.lab.comparison import main

if __name__ == "__main__":
    main()
