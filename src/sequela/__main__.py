"""`python -m sequela`: the command line."""

from sequela.cli import main

if __name__ == "__main__":
    main()
