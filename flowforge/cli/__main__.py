"""``python -m flowforge.cli``."""

from flowforge.cli import main

if __name__ == "__main__":
    main()
