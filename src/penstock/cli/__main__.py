"""`python -m penstock.cli` is `penstock`."""

from penstock.__main__ import main

main()
