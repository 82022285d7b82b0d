"""`python -m sslbench` is `sslbench`."""

from sslbench.cli import main

if __name__ == "__main__":
    main()
