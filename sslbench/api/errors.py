"""What can go wrong, by who can mend it. Every message is one line: found, from where, possible, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class SslbenchError(Exception):
    """Anything that sslbench raises on purpose."""

    exit_code: ClassVar[int] = 1


class RequestError(SslbenchError):
    """A request that cannot be carried out; holds every problem found, one line each."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[RequestError], tuple[tuple[str, ...]]]:
        """As it is sent from another process."""
        return type(self), (self.problems,)


class DataMissing(SslbenchError):
    """A dataset's files are not where they were looked for."""

    exit_code = 3


class DataBroken(SslbenchError):
    """A dataset's files are there and cannot be used."""

    exit_code = 3


class UnexpectedFormat(DataBroken):
    """Data in another format than the dataset reads; `format` names it where it is known, else it is ''.

    The catalog adds which installed datasets read that format (`Card.formats`).
    """

    def __init__(self, text: str, format: str = "") -> None:
        super().__init__(text)
        self.format = format

    def __reduce__(self) -> tuple[type[UnexpectedFormat], tuple[str, str]]:
        """Keep the format where the error is sent from another process."""
        return type(self), (str(self), self.format)


class DiskFull(SslbenchError):
    """A disk has no room for what must be written; work resumes once there is some."""

    exit_code = 3


class Unavailable(SslbenchError):
    """A component cannot work here (weights not at hand, no network); its row says so and never vanishes.

    `lasting` says that the same settings and versions always end so: such a stage is not tried again.
    """

    def __init__(self, text: str, *, lasting: bool = False) -> None:
        super().__init__(text)
        self.lasting = lasting


class ImplementationError(SslbenchError):
    """The implementation that a spec names cannot be imported."""


class Diverged(SslbenchError):
    """Training met a loss that is not finite."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__(f"the loss became {value} at step {step}")
        self.step = step
        self.value = value
