"""One command line from start to end: the verb, its options, its errors, its exit code."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import stat
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from toolkit.cli.address import is_address
from toolkit.cli.arguments import VERBS, Options, parse, split_verb
from toolkit.cli.errors import (
    FAILURE,
    INTERRUPTED,
    PIPE_CLOSED,
    SUCCESS,
    USAGE,
    CommandError,
    UsageError,
    exit_code,
    print_status,
)
from toolkit.cli.output import data, note, printable
from toolkit.errors import RpcError, ToolkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["entry", "main"]


class _Verb(Protocol):
    """What the module of a verb holds."""

    USAGE: str
    ABOUT: str
    FLAGS: tuple[str, ...]

    def run(self, options: Options) -> int: ...


def entry() -> NoReturn:
    """The console script: ``main`` on the process's own arguments."""
    # What a command makes lives until it ends: looking through it for garbage while modules load
    # takes 5 ms of a call, and taking it all apart at the end another 10.
    gc.disable()
    code = main(sys.argv[1:])
    os._exit(_flushed(code))


def _flushed(code: int) -> int:
    """The exit code, once all that was written has gone out."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # closed before we came
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            return PIPE_CLOSED
        except OSError:
            return code or FAILURE
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; never raises but for a bug."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return PIPE_CLOSED
    except UsageError as exc:
        return _usage(exc, arguments)
    except (ToolkitError, OSError) as exc:  # OSError: such as a full disk behind stdout
        return _failure(exc)


def _failure(error: ToolkitError | OSError) -> int:
    if isinstance(error, RpcError):
        print_status(error, None)
        return exit_code(error)
    note(f"ttrpc: {printable(str(error))}")
    return FAILURE


def _usage(error: UsageError, arguments: Sequence[str]) -> int:
    verb, _ = split_verb(arguments)
    more = f" or 'ttrpc {verb} --help'" if verb in VERBS else ""
    note(f"ttrpc: {error}")
    note(f"Try 'ttrpc --help'{more} for more details.")
    return USAGE


def _dispatch(argv: Sequence[str]) -> int:
    name, rest = split_verb(argv)
    if name is None:
        return _without_verb(rest)
    if name in _WORDS and name not in VERBS:
        return _word(name, rest)
    if name not in VERBS:
        raise UsageError(_no_verb(name))
    verb = cast("_Verb", importlib.import_module(f"toolkit.cli.{name}"))
    try:
        options = parse(name, verb.USAGE, verb.FLAGS, verb.ABOUT, rest)
    except SystemExit:  # argparse has printed the help that was asked for
        return SUCCESS
    return _run(verb, options)


_WORDS = ("help", "version")  # what people type for --help and --version


def _word(name: str, rest: Sequence[str]) -> int:
    """``ttrpc help [VERB]`` and ``ttrpc version``."""
    if name == "version":
        return _without_verb(["--version"])
    return _dispatch([*rest[:1], "--help"])


def _run(verb: _Verb, options: Options) -> int:
    if not getattr(verb, "makes_vendor_folder", _never)(options):
        _check_vendor_folders(options.vendor)
    with _vendor_folders(options.vendor), _warnings(shown=options.verbose):
        return verb.run(options)


def _never(_: Options) -> bool:
    return False


def _check_vendor_folders(given: Sequence[str]) -> None:
    """A folder that is not there adds nothing: in a flag that is a slip, in a profile maybe not."""
    for folder in given:
        if problem := _no_folder(folder):
            raise CommandError(f"--vendor {folder}: {problem}")
    if not given:
        for folder in filter(None, os.environ.get("TTRPC_VENDOR", "").split(os.pathsep)):
            if problem := _no_folder(folder):
                note(f"Warning: TTRPC_VENDOR names {folder}: {problem}")


def _no_folder(path: str) -> str:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # pathlib is not imported for `--help`
    except OSError as exc:
        return exc.strerror or str(exc)
    return "" if stat.S_ISDIR(mode) else "it is no directory"


@contextlib.contextmanager
def _vendor_folders(folders: Sequence[str]) -> Iterator[None]:
    """``--vendor`` stands in for ``TTRPC_VENDOR``, as long as the command runs."""
    before = os.environ.get("TTRPC_VENDOR")
    if folders:
        os.environ["TTRPC_VENDOR"] = os.pathsep.join(folders)
    try:
        yield
    finally:
        if before is not None:
            os.environ["TTRPC_VENDOR"] = before
        elif folders:
            del os.environ["TTRPC_VENDOR"]


@contextlib.contextmanager
def _warnings(*, shown: bool) -> Iterator[None]:
    """What the library logs, such as a cache that cannot be used, is for ``-v``."""
    if not shown:
        yield
        return
    import logging  # 8 ms

    logger, handler = logging.getLogger("toolkit"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("Warning: %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _no_verb(name: str) -> str:
    if is_address(name):
        return f"the verb comes first: ttrpc call {name} METHOD"
    import difflib  # only a typo pays for it

    near = difflib.get_close_matches(name, VERBS, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(VERBS)}"
    return f"no verb {name!r}{hint}"


def _without_verb(rest: Sequence[str]) -> int:
    if "-h" in rest or "--help" in rest:
        data(_help())
        return SUCCESS
    if "--version" in rest:
        from toolkit import __version__

        data(f"ttrpc {__version__}")
        return SUCCESS
    raise UsageError(f"{rest[0]} without a verb" if rest else "a verb is missing")


def _help() -> str:
    verbs = "\n".join(f"  {name:<10}{about}" for name, about in VERBS.items())
    return _HELP.format(verbs=verbs)


_HELP = """\
usage: ttrpc VERB [ARGUMENTS] [FLAGS]

Look at TTRPC services and call them, with the schema of any containerd release.

verbs:
{verbs}

flags anywhere on the line:
  -h, --help     this text, or a verb's own: ttrpc call --help
  -v, --verbose  say on stderr what is done and why
  --vendor DIR   look for releases here first
  --version      print the version

examples:
  ttrpc list unix:///run/containerd/s/1f2e
  ttrpc list containerd.task.v3.Task
  ttrpc describe containerd.task.v3.CreateTaskRequest --msg-template
  ttrpc call unix:///run/containerd/s/1f2e State -d '{{"id": "web"}}'
  ttrpc call ./bundle-of-a-shim Pids -d '{{"id": "web"}}' -s containerd@1.6

stdout is data only. Exit codes: 0; 1 failure; 2 usage; 64 + the status code of
a call that failed (NotFound is 69, a passed deadline 68); 130 after Ctrl-C."""
