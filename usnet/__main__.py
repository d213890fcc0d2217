"""`python -m usnet` is the `usnet` program."""

from usnet.cli.main import main

if __name__ == "__main__":
    main()
