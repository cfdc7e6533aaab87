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
from tests.schema.samples import filled

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
