"""Load the fixtures that tests of plugins share."""

pytest_plugins = ["sslbench.testing.pytest_fixtures"]
