"""Generated modules at run time: every message of every release, through its class."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from tests.codegen.packages import (
    RELEASES,
    ZOOS,
    messages,
    module_of,
    modules,
    schema_of,
)
from tests.interop import ours
from tests.schema.samples import filled
from toolkit import sync

EVERY = [*RELEASES, *ZOOS]


@pytest.mark.parametrize("source", EVERY)
def test_every_message_is_made_serialized_and_parsed_by_its_class(source: str) -> None:
    found = [message for module in modules(source) for message in messages(module)]
    schema, rng = schema_of(source), random.Random(1)

    assert found
    for cls in found:
        message = filled(schema, cls, rng)
        assert cls.FromString(message.SerializePartialToString()) == message


@pytest.mark.parametrize("source", EVERY)
def test_every_message_of_the_schema_but_the_engine_s_has_a_class(source: str) -> None:
    schema = schema_of(source)
    wanted = {
        name
        for name, one in schema.symbols().items()
        if hasattr(one, "fields_by_name")
        and not one.GetOptions().map_entry
        and not name.startswith("google.protobuf.")
    }

    found = {one.DESCRIPTOR.full_name for module in modules(source) for one in messages(module)}

    assert found >= wanted


@pytest.mark.parametrize("source", ["containerd@2.4", *ZOOS])
def test_classes_are_found_where_they_say_they_are(source: str) -> None:
    for module in modules(source):
        for cls in messages(module):
            found: Any = module
            for name in cls.__qualname__.split("."):
                found = getattr(found, name)
            assert (found, cls.__module__) == (cls, module.__name__)


def test_a_message_can_be_pickled() -> None:
    message = module_of("containerd@2.4", "containerd_task_v3").StateRequest(id="web")

    assert pickle.loads(pickle.dumps(message)) == message


def test_what_a_module_exports_is_there_and_sorted() -> None:
    for source in EVERY:
        for module in modules(source):
            assert list(module.__all__) == sorted(module.__all__)
            assert all(hasattr(module, name) for name in module.__all__)


def test_a_word_of_the_language_is_read_by_another_name_and_written_by_a_mapping() -> None:
    keywords = module_of("zoo_codegen", "zoo_python")

    message = keywords.Keywords(**{"from": "here", "class": "first"})

    assert (message.from_, message.class_, message.type) == ("here", "first", "")
    with pytest.raises(AttributeError):
        message.from_ = "there"


def test_nested_enums_and_their_values_are_on_the_class() -> None:
    module = module_of("zoo_schema", "zoo_two")

    assert module.Cage.Mood.Name(module.Cage.WILD) == "WILD"
    assert module.Cage.Mood.CALM == module.Cage.CALM == 3
    assert module.Cage(mood="CALM").mood == module.Cage_MoodValue(3)


def test_an_enum_s_value_takes_no_method_and_no_field_away() -> None:
    values = module_of("zoo_codegen", "zoo_members").Values

    message = values(**{"from": "here", "op": "BELOW"})

    assert values.FromString(message.SerializeToString()) == message
    assert (message.from_, message.op, values.PLAIN) == ("here", -1, 4)
    message.Clear()
    assert message == values()


def test_what_python_has_in_every_class_stays() -> None:
    module = module_of("zoo_codegen", "zoo_members")
    special = module.Special

    message = special(__module__="a", __doc__="b", plain="c")

    assert special.__module__ == module.__name__
    assert (message._module__, message._doc__, message.plain) == ("a", "b", "c")


def test_methods_that_would_share_a_name_are_told_apart() -> None:
    module = module_of("zoo_codegen", "zoo_members")

    class Answers(module.UnimplementedNamedService):  # type: ignore[misc, name-defined]
        def from__(self, request: Any, context: Any) -> Any:
            return {"from": f"{request.from_} by from"}

        def from_(self, request: Any, context: Any) -> Any:
            return {"from": f"{request.from_} by from_"}

        def _stub_(self, request: Any, context: Any) -> Any:
            return {"op": "PLAIN"}

    with (
        ours.serving("sync", Answers.__service__, Answers()) as address,
        sync.connect(address) as channel,
    ):
        client = module.NamedClient(channel)
        assert client.from__(**{"from": "a"}).from_ == "a by from"
        assert client.from_(**{"from": "a"}).from_ == "a by from_"
        assert client._stub_().op == 4
        assert "zoo.members.Named" in repr(client)
