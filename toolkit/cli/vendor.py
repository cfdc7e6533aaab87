"""``ttrpc vendor verify``: the vendored files against what was recorded of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.errors import FAILURE, SUCCESS, UsageError
from toolkit.cli.output import data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.cli.arguments import Options
    from toolkit.schema.vendor import LineReport

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "verify"
FLAGS: tuple[str, ...] = ()
ABOUT = """\
Compile every vendored release again and hold it against its digests: a line
for each release, one more for each file that differs, exit code 1 if any
does."""


def run(options: Options) -> int:
    """Verify all releases of the search path."""
    from toolkit.schema.vendor import verify

    if options.arguments != ["verify"]:
        raise UsageError("vendor wants one word after it: verify")
    reports = verify()
    width = max((len(report.release.name) for report in reports), default=0)
    for report in reports:
        data("\n".join(_lines(report, width)))
    data(_summary(reports))
    return SUCCESS if all(report.equal for report in reports) else FAILURE


def _lines(report: LineReport, width: int) -> Iterator[str]:
    name = report.release.name.ljust(width)
    equal = sum(file.state == "equal" for file in report.files)
    yield f"{name}  {equal} of {_files(len(report.files))} equal"
    if report.problem:
        yield f"{name}  {report.problem}"
    for file in report.files:
        if file.state != "equal":
            yield f"{name}  {file.state}: {file.name}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _summary(reports: list[LineReport]) -> str:
    different = [report.release.name for report in reports if not report.equal]
    if different:
        return f"{len(different)} of {len(reports)} releases differ: {', '.join(different)}"
    count = sum(len(report.files) for report in reports)
    return f"every file is equal: {_files(count)} of {len(reports)} releases"
