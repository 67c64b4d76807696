"""Places in text, and complaints about them: a fault of the language is a Diagnostic, collected, never thrown alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file: lines and columns count from 1, columns in code points; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that had a say: "defined here", "included from here"."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint: a stable code, a message in the user's words, the smallest node at fault, and what to do."""

    severity: Severity
    code: str
    message: str
    span: Span | None = None
    hint: str | None = None
    related: tuple[Related, ...] = ()

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        return f"{place}{self.severity}[{self.code}]: {self.message}"


@dataclass(slots=True)
class Report:
    """Diagnostics in the order they were found; handed through the phases, so that five faults give five."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        hint: str | None = None,
        related: Iterable[Related] = (),
    ) -> None:
        self.diagnostics.append(Diagnostic(Severity.ERROR, code, message, span, hint, tuple(related)))

    def warning(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        hint: str | None = None,
        related: Iterable[Related] = (),
    ) -> None:
        self.diagnostics.append(Diagnostic(Severity.WARNING, code, message, span, hint, tuple(related)))

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.diagnostics)

    def __len__(self) -> int:
        return len(self.diagnostics)


# So many reasons stand for all of them in one line.
BRIEF = 3


class SpecInvalid(Exception):
    """The text can't become a Project; `report` holds every reason."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__("\n".join(str(d) for d in report))

    @property
    def brief(self) -> str:
        """The first reasons in one line, for where there is no room for all."""
        return "; ".join(str(each) for each in self.report.diagnostics[:BRIEF])
