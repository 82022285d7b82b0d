"""Provide the settings that the installed protocols vary, for tests of tables without records."""

from __future__ import annotations

from sslbench.data.label_subsets import declared_settings
from sslbench.results.old_records import installed_catalog
from sslbench.results.varied import varied_table

VARIED = varied_table([], declared_settings(component.spec for component in installed_catalog().all("protocol")))
