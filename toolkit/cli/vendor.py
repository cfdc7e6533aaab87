"""``ttrpc vendor``: add a release, remove one, hold all against what was recorded of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.errors import FAILURE, SUCCESS, CommandError, UsageError
from toolkit.cli.output import counted, data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.cli.arguments import Options
    from toolkit.schema.vendoring.verifying import FileReport, LineReport

__all__ = ["ABOUT", "FLAGS", "USAGE", "makes_vendor_folder", "run"]

USAGE = "sync PROJECT@LINE | verify | remove PROJECT@LINE"
FLAGS = ("from", "import_root", "tag", "commit", "connect_timeout")
ABOUT = """\
sync adds a release, or replaces it: whole, or not at all. SOURCE is an
upstream checkout or any tree of its .proto files, a descriptor set, an
executable that carries its descriptors (binary:PATH, pid:N or its path), the
ADDRESS of a server, grpc:ADDRESS, or a release. Tag and commit are asked of
git where they are not given. What has changed against the line before is
printed. It is written to the folder that `ttrpc releases` names, or to
--vendor DIR.

verify compiles every release again and holds it against its digests: a line
for each release, one more for each file that differs and how, exit code 1 if
any does.

remove takes a release of yours away."""

_SYNC_ONLY = {"from": "--from", "tag": "--tag", "commit": "--commit", "import_root": "-I"}


def makes_vendor_folder(options: Options) -> bool:
    """Whether ``--vendor`` may name a folder that is not there yet."""
    return options.arguments[:1] == ["sync"]


def run(options: Options) -> int:
    """Do what the first word says."""
    match options.arguments:
        case ["sync", *names]:
            from toolkit.cli.syncing import sync

            return sync(names, options, _folder(options))
        case ["verify"]:
            _refuse_flags("verify", options)
            return _verify()
        case ["remove", name]:
            _refuse_flags("remove", options)
            return _remove(name, _folder(options))
        case ["verify", *_] | ["remove", *_]:
            wanted = "no name: it verifies all" if options.arguments[0] == "verify" else "one name"
            raise UsageError(f"vendor {options.arguments[0]} takes {wanted}")
        case _:
            raise UsageError("vendor wants a word after it: sync, verify or remove")


def _refuse_flags(word: str, options: Options) -> None:
    for name, flag in _SYNC_ONLY.items():
        if getattr(options, name):
            raise UsageError(f"vendor {word} takes no {flag}")


def _folder(options: Options) -> Path:
    """The folder to write to: ``--vendor``, else the user's own."""
    from toolkit.schema.releases import user_folder

    if len(options.vendor) > 1:
        raise UsageError("vendor writes to one folder: give --vendor once")
    folder = Path(options.vendor[0]) if options.vendor else user_folder()
    if folder is None:
        raise CommandError("this user has no home to keep releases in; --vendor DIR names a folder")
    return folder


def _remove(name: str, folder: Path) -> int:
    from toolkit.schema.vendoring.sync import split_name
    from toolkit.schema.vendoring.writing import remove_line

    removed = remove_line(folder, *split_name(name))
    data(f"removed {removed.name} from {folder}")
    return SUCCESS


def _verify() -> int:
    from toolkit.schema.vendoring.verifying import verify

    reports = verify()
    width = max((len(report.release.name) for report in reports), default=0)
    for report in reports:
        data("\n".join(_lines(report, width)))
    data(_summary(reports))
    return SUCCESS if all(report.equal for report in reports) else FAILURE


def _lines(report: LineReport, width: int) -> Iterator[str]:
    name = report.release.name.ljust(width)
    equal = sum(file.state == "equal" for file in report.files)
    origin = "" if report.release.origin == _package() else f", in {report.release.origin}"
    yield f"{name}  {equal} of {counted(len(report.files), 'file')} equal{origin}"
    if report.problem:
        yield f"{name}  {report.problem}"
    for file in report.files:
        if file.state != "equal":
            yield f"{name}  {_told(file)}"


def _told(file: FileReport) -> str:
    return f"{file.state}: {file.name}" + (f" ({file.how})" if file.how else "")


def _package() -> str:
    from toolkit.resources import data_dir

    return str(data_dir("vendor"))


def _summary(reports: list[LineReport]) -> str:
    different = [report.release.name for report in reports if not report.equal]
    if different:
        return f"{len(different)} of {len(reports)} releases differ: {', '.join(different)}"
    count = sum(len(report.files) for report in reports)
    return f"every file is equal: {counted(count, 'file')} of {len(reports)} releases"
