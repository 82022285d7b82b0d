from dataclasses import dataclass

from sslbench.api import Citation, MethodSpec, Role, hookimpl

CITATION = Citation(title="none", authors="none", year=2026, url="https://example.org")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


def build(config, parts):
    raise NotImplementedError


def views(config):
    return {"view": Role(count=1)}


def method(name, **changes):
    facts = {
        "name": name, "version": 1, "summary": "a method", "citation": CITATION, "config": Config,
        "smoke": Config(), "build": build, "views": views, "family": "none",
    }
    return MethodSpec(**{**facts, **changes})


@hookimpl
def sslbench_methods():
    return [method("valid-next-to-a-wrong-item"), {"name": "a-dictionary"}]
