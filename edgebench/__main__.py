"""python -m edgebench"""

from edgebench.cli.commands import main

if __name__ == "__main__":
    main()
