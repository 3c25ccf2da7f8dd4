"""``python -m tasks.lab``: compare cells on a memory problem."""

from tasks.lab.comparison import main

if __name__ == "__main__":
    main()
