"""Answer the import of a module of version 0.1 with its new name. Delete this module one version later."""

from sslbench.api.renamed import moved_module

raise moved_module(__name__)
