"""Define the errors that sslbench raises. Every message is one line: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class SslbenchError(Exception):
    """Base class of all errors that sslbench raises on purpose."""

    exit_code: ClassVar[int] = 1


class RequestError(SslbenchError):
    """A request that cannot be carried out; `problems` holds every problem found, one line each."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[RequestError], tuple[tuple[str, ...]]]:
        """Keep the problems where the error is sent from another process."""
        return type(self), (self.problems,)


class DataMissing(SslbenchError):
    """The files of a dataset were not found."""

    exit_code = 3


class DataBroken(SslbenchError):
    """The files of a dataset were found, but cannot be used."""

    exit_code = 3


class UnexpectedFormat(DataBroken):
    """Data in a format that the dataset does not read; `format` is its name, or '' where it is not known.

    The catalog adds which installed datasets read that format (`DatasetCard.formats`).
    """

    def __init__(self, text: str, format: str = "") -> None:
        super().__init__(text)
        self.format = format

    def __reduce__(self) -> tuple[type[UnexpectedFormat], tuple[str, str]]:
        """Keep the format where the error is sent from another process."""
        return type(self), (str(self), self.format)


class DiskFull(SslbenchError):
    """The disk has no space for the output; a repeated command resumes the work."""

    exit_code = 3


class Unavailable(SslbenchError):
    """A component cannot work on this machine, for example without network; its row reports the reason.

    lasting: whether the same settings and versions always fail; such a stage is not tried again.
    """

    def __init__(self, text: str, *, lasting: bool = False) -> None:
        super().__init__(text)
        self.lasting = lasting


class ImplementationError(SslbenchError):
    """The implementation named by a spec cannot be imported."""


class Diverged(SslbenchError):
    """The training loss is not finite."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__(
            f"the loss became {value} at step {step}. Lower the learning rate (in pretraining: train.lr), or set "
            "train.precision=float32"
        )
        self.step = step
        self.value = value
