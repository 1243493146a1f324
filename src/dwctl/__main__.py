"""`python -m dwctl` is the `dwctl` command."""

from dwctl.cli.main import main

if __name__ == "__main__":
    main()
