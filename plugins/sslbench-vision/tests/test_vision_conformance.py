"""Every component of the plugin against the conformance kit."""

from sslbench.testing import conformance

test_conformance = conformance("sslbench-vision")
