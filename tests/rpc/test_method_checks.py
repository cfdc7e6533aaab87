"""What is given as a method is one, and of the right kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ECHO
from toolkit.rpc.call import require_streaming, require_unary

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("check", [require_unary, require_streaming])
@pytest.mark.parametrize("given", ["a.Svc/State", None, ECHO])
def test_what_is_no_method_is_shown_how_to_get_one(
    check: Callable[[Any], None], given: Any
) -> None:
    with pytest.raises(TypeError, match=r"a call wants a method, not .*: schema\.service\("):
        check(given)


def test_each_kind_goes_to_its_own_call() -> None:
    require_unary(ECHO["Unary"])
    require_streaming(ECHO["Chat"])
    with pytest.raises(TypeError, match=r"streaming method: use stream\(\)"):
        require_unary(ECHO["Chat"])
    with pytest.raises(TypeError, match=r"unary method: use call\(\)"):
        require_streaming(ECHO["Unary"])
