"""``python -m nanospan.cli``, the same as the command ``nanospan``."""

from nanospan.cli import main

if __name__ == "__main__":
    main()
