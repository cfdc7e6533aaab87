"""Files of whatever origin become a set that links, and what was done to them is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.schema.files import read_file
from toolkit.schema.mending import Mended, mend
from toolkit.schema.pool import Schema
from toolkit.schema.wellknown import runtime_file

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTOR = "google/protobuf/descriptor.proto"
ANY = "google/protobuf/any.proto"
GETTERS = b"\xc8\xe1\x1e\x01"  # (gogoproto.goproto_getters_all) = true, whose number is 63001


def made(
    name: str,
    package: str = "",
    imports: Sequence[str] = (),
    *,
    messages: Sequence[str] = (),
    uses: Sequence[str] = (),
    public: Sequence[int] = (),
    weak: Sequence[int] = (),
) -> bytes:
    """A file whose messages have a field for each type in ``uses``."""
    file = FileDescriptorProto(name=name, package=package, dependency=imports, syntax="proto3")
    file.public_dependency.extend(public)
    file.weak_dependency.extend(weak)
    for message in messages:
        declared = file.message_type.add(name=message)
        for number, used in enumerate(uses, start=1):
            declared.field.add(
                name=f"f{number}",
                number=number,
                label=FieldDescriptorProto.LABEL_OPTIONAL,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=f".{used}",
            )
    return file.SerializeToString()


def with_option(data: bytes) -> bytes:
    file = FileDescriptorProto.FromString(data)
    file.options.MergeFromString(GETTERS)
    return file.SerializeToString()


def symbols(mended: Mended) -> set[str]:
    return set(Schema("mended", mended.files).symbols())


def imports(mended: Mended) -> dict[str, list[str]]:
    """What each file imports, the runtime's left out."""
    files = [read_file(data) for data in mended.files]
    return {
        file.name: list(file.imports)
        for file in files
        if not file.name.startswith("google/protobuf/")
    }


def parsed(mended: Mended, name: str) -> FileDescriptorProto:
    files = [FileDescriptorProto.FromString(data) for data in mended.files]
    return next(file for file in files if file.name == name)


def test_files_that_fit_together_stay_as_they_are() -> None:
    a = made("a.proto", "a", messages=["A"])
    b = made("b.proto", "b", ["a.proto"], messages=["B"], uses=["a.A"])

    assert mend([a, b]) == Mended([a, b], ["a.proto", "b.proto"], ["", ""])


def test_nothing_is_a_set_of_nothing() -> None:
    assert mend([]) == Mended([], [], [])


def test_imports_come_first_whatever_the_order_was() -> None:
    names = ["a.proto", "b.proto", "c.proto", "d.proto"]
    files = [
        made(name, name[0], imported, messages=["M"], uses=[f"{one[0]}.M" for one in imported])
        for name, imported in zip(names, [[], names[:1], names[:2], names[1:3]], strict=True)
    ]

    mended = mend(reversed(files))

    assert mended.files == files
    assert mended.names == names[::-1]


def test_source_info_is_kept() -> None:
    file = FileDescriptorProto(name="a.proto", package="a")
    file.source_code_info.location.add(span=[0, 1, 2], leading_comments="Of a.")

    mended = mend([file.SerializeToString()])

    assert parsed(mended, "a.proto") == file


# Equal names


def test_equal_names_in_two_packages_are_told_apart() -> None:
    first = made("types.proto", "a", messages=["A"])
    second = made("types.proto", "b.c", messages=["B"])
    third = made("types.proto", messages=["C"])

    mended = mend([first, second, third])

    assert mended.names == ["types.proto", "b/c/types.proto", "other/types.proto"]
    assert mended.notes == ["", *["called types.proto, as is another one"] * 2]
    assert symbols(mended) >= {"a.A", "b.c.B", "C"}


def test_a_name_that_is_given_is_not_given_twice() -> None:
    files = [
        made("b/x.proto", "a", messages=["A"]),
        made("x.proto", "a", messages=["AA"]),
        made("x.proto", "b", messages=["B"]),
        made("b/x.proto", "b", messages=["BB"]),
    ]

    mended = mend(files)

    assert len(set(mended.names)) == len(mended.files) == 4
    assert symbols(mended) >= {"a.A", "a.AA", "b.B", "b.BB"}


def test_a_file_that_has_its_name_alone_keeps_it() -> None:
    own = made("b/x.proto", "b", messages=["BB"])

    mended = mend([made("x.proto", "a"), made("x.proto", "b", messages=["B"]), own])

    assert mended.names[2] == "b/x.proto"


def test_of_equal_names_in_one_package_the_first_counts() -> None:
    first = made("a.proto", "a", messages=["A", "New"])
    other = made("a.proto", "a", messages=["A"])

    mended = mend([first, other])

    assert mended == Mended([first], ["a.proto", None], ["", "another a.proto came first"])


def test_the_same_file_again_is_the_same_file() -> None:
    file = made("a.proto", "a", messages=["A"])

    assert mend([file] * 3) == Mended([file], ["a.proto"] * 3, [""] * 3)


def test_the_same_file_again_is_left_out_with_the_first() -> None:
    file = made("a.proto", "a", messages=["A"], uses=["no.Such"])

    mended = mend([file, file])

    assert mended.names == [None, None]
    assert mended.notes[0] == mended.notes[1] != ""


def test_of_two_files_with_the_same_message_the_first_counts() -> None:
    first, second = made("a.proto", "a", messages=["A"]), made("b.proto", "a", messages=["A"])

    mended = mend([first, second])

    assert mended.names == ["a.proto", None]
    assert "a.A" in mended.notes[1]


# The runtime's own files


def engine_file(name: str, called: str) -> bytes:
    data = runtime_file(name)
    assert data is not None
    file = FileDescriptorProto.FromString(data)
    file.name = called
    del file.message_type[1:]  # of another version
    return file.SerializeToString()


@pytest.mark.parametrize("called", ["descriptor.proto", "x/descriptor.proto", DESCRIPTOR])
def test_the_runtime_s_descriptor_proto_stands_for_any_other(called: str) -> None:
    theirs = engine_file(DESCRIPTOR, called)
    gogo = FileDescriptorProto(name="gogo.proto", package="gogoproto", dependency=[called])
    gogo.extension.add(
        name="getters",
        number=63001,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        type=FieldDescriptorProto.TYPE_BOOL,
        extendee=".google.protobuf.EnumValueOptions",
    )

    mended = mend([gogo.SerializeToString(), theirs])

    assert mended.names == ["gogo.proto", DESCRIPTOR]
    assert mended.notes == ["", ""]
    assert mended.files[0] == runtime_file(DESCRIPTOR)
    assert imports(mended) == {"gogo.proto": [DESCRIPTOR]}
    assert "gogoproto.getters" in symbols(mended)


def test_the_runtime_s_file_is_there_though_nobody_imports_it() -> None:
    mended = mend([engine_file(DESCRIPTOR, "descriptor.proto")])

    assert mended == Mended([runtime_file(DESCRIPTOR) or b""], [DESCRIPTOR], [""])


def test_a_descriptor_proto_of_another_package_is_a_file_like_any_other() -> None:
    file = made("descriptor.proto", "mine", messages=["A"])

    assert mend([file]) == Mended([file], ["descriptor.proto"], [""])


def test_a_runtime_s_file_that_is_imported_and_missing_is_added() -> None:
    file = made("a.proto", "a", [ANY], messages=["A"], uses=["google.protobuf.Any"])

    mended = mend([file])

    assert mended == Mended([runtime_file(ANY) or b"", file], ["a.proto"], [""])


def test_what_the_runtime_s_files_import_is_added() -> None:
    name = "google/protobuf/type.proto"
    file = made("a.proto", "a", [name], messages=["A"], uses=["google.protobuf.Type"])

    mended = mend([file])

    assert [read_file(data).name for data in mended.files[-2:]] == [name, "a.proto"]
    assert "google.protobuf.Any" in symbols(mended)


def test_the_runtime_s_file_is_meant_though_another_has_such_a_name() -> None:
    other = made("any.proto", "mine", messages=["A"])
    file = made("a.proto", "a", [ANY], messages=["A"], uses=["google.protobuf.Any"])

    mended = mend([other, file])

    assert mended.names == ["any.proto", "a.proto"]


def test_a_well_known_type_of_another_shape_is_left_out() -> None:
    odd = made("odd.proto", "google.protobuf", messages=["Any"])
    file = made("a.proto", "a", messages=["A"])

    mended = mend([odd, file])

    assert symbols(mended) >= {"a.A"}


# Imports


@pytest.mark.parametrize(
    ("called", "imported"),
    [
        ("gogo.proto", "gogoproto/gogo.proto"),
        ("gogo.proto", "github.com/gogo/protobuf/gogoproto/gogo.proto"),
        ("gogoproto/gogo.proto", "gogo.proto"),
        ("github.com/gogo/protobuf/gogoproto/gogo.proto", "gogoproto/gogo.proto"),
    ],
)
def test_an_import_is_found_by_a_suffix_of_either_name(called: str, imported: str) -> None:
    gogo = made(called, "gogoproto", messages=["G"])
    file = made("a.proto", "a", [imported], messages=["A"], uses=["gogoproto.G"])

    mended = mend([file, gogo])

    assert imports(mended) == {called: [], "a.proto": [called]}
    assert mended.notes == ["", ""]


@pytest.mark.parametrize(
    ("called", "imported"),
    [
        (["x/gogo.proto", "y/gogo.proto"], "gogo.proto"),
        (["gogo.proto", "y/gogo.proto"], "x/y/gogo.proto"),
        (["gogo.proto", "z/x/y/gogo.proto"], "x/y/gogo.proto"),
    ],
)
def test_an_import_that_several_may_be_is_none_of_them(called: list[str], imported: str) -> None:
    files = [made(name, f"p{number}") for number, name in enumerate(called)]
    file = made("a.proto", "a", [imported], messages=["A"])

    mended = mend([*files, file])

    assert imports(mended)["a.proto"] == []
    assert mended.notes[-1] == f"without the import of {imported}"


@pytest.mark.parametrize("called", ["oxgogo.proto", "gogoproto/xgogo.proto", "gogoproto/gogo"])
def test_a_suffix_is_one_of_whole_names(called: str) -> None:
    mended = mend([made(called, "g"), made("a.proto", "a", ["gogo.proto"])])

    assert imports(mended)["a.proto"] == []


def test_a_file_is_no_import_of_its_own() -> None:
    mended = mend([made("d/a.proto", "a", ["a.proto"])])

    assert imports(mended) == {"d/a.proto": []}


def test_a_whole_name_goes_before_a_suffix() -> None:
    files = [made("x.proto", "a"), made("d/x.proto", "b"), made("y.proto", "y", ["x.proto"])]

    assert imports(mend(files))["y.proto"] == ["x.proto"]


def test_a_missing_import_that_only_options_need_is_dropped() -> None:
    file = with_option(made("a.proto", "a", ["gogoproto/gogo.proto"], messages=["A"]))

    mended = mend([file])

    assert mended.names == ["a.proto"]
    assert mended.notes == ["without the import of gogoproto/gogo.proto"]
    assert imports(mended) == {"a.proto": []}
    assert GETTERS in mended.files[0]


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_without_its_import_links_wherever_its_types_come(first: int) -> None:
    files = [
        made("b/a.proto", "p", messages=["M"]),
        made("c.proto", "q", ["gone/a.proto"], messages=["U"], uses=["p.M"]),
    ]

    mended = mend(files if first == 0 else files[::-1])

    assert None not in mended.names
    assert sorted(mended.notes) == ["", "without the import of gone/a.proto"]
    assert symbols(mended) >= {"p.M", "q.U"}


def test_a_missing_import_that_is_needed_leaves_the_file_and_who_needs_it_out() -> None:
    files = [
        made("a.proto", "a", ["b.proto"], messages=["A"], uses=["b.B"]),
        made("b.proto", "b", ["gone.proto"], messages=["B"], uses=["gone.G"]),
        made("c.proto", "c", messages=["C"]),
        made("d.proto", "d", ["b.proto", "c.proto"], messages=["D"], uses=["c.C"]),
    ]

    mended = mend(files)

    assert mended.names == [None, None, "c.proto", "d.proto"]
    assert mended.notes == [
        "couldn't resolve name '.b.B' (without the import of b.proto)",
        "couldn't resolve name '.gone.G' (without the import of gone.proto)",
        "",
        "without the import of b.proto",
    ]
    assert symbols(mended) >= {"c.C", "d.D"}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_files_that_import_each_other_are_left_out_with_who_imports_them(length: int) -> None:
    circle = [
        made(f"{number}.proto", f"p{number}", [f"{(number + 1) % length}.proto"])
        for number in range(length)
    ]
    rest = [
        made("needs.proto", "n", ["0.proto"]),
        made("needs/that.proto", "n", ["needs.proto"]),
        made("a.proto", "a", ["b.proto"]),
        made("b.proto", "b"),
    ]

    mended = mend([*circle, *rest])

    assert mended.names == [None] * (length + 2) + ["a.proto", "b.proto"]
    assert all("lead back to itself" in note for note in mended.notes[: length + 2])
    assert mended.notes[length + 2 :] == ["", ""]


def test_what_a_circle_imports_stays() -> None:
    mended = mend([made("a.proto", "a", ["a.proto", "b.proto"]), made("b.proto", "b")])

    assert mended.names == [None, "b.proto"]


def test_a_public_import_is_the_same_one_after_a_rename_and_a_drop() -> None:
    file = made(
        "a.proto",
        "a",
        ["gone.proto", "b.proto", "x/c.proto", "d.proto"],
        public=[2, 3],
        weak=[0, 1],
    )
    files = [made("b.proto", "b"), made("c.proto", "c"), made("y/d.proto", "d"), file]

    mended = parsed(mend(files), "a.proto")

    assert list(mended.dependency) == ["b.proto", "c.proto", "y/d.proto"]
    assert [mended.dependency[index] for index in mended.public_dependency] == [
        "c.proto",
        "y/d.proto",
    ]
    assert [mended.dependency[index] for index in mended.weak_dependency] == ["b.proto"]


def test_a_renamed_file_keeps_its_imports() -> None:
    files = [
        made("x.proto", "a"),
        made("x.proto", "b", ["c.proto", "d.proto"], public=[1], weak=[0]),
        made("c.proto", "c"),
        made("d.proto", "d"),
    ]

    mended = parsed(mend(files), "b/x.proto")

    assert list(mended.dependency) == ["c.proto", "d.proto"]
    assert list(mended.public_dependency) == [1]
    assert list(mended.weak_dependency) == [0]


@pytest.mark.parametrize(
    "broken", [b"\n\x07b.proto\x1a\x01\xff", b"\n\x07b.pr\xffto", b"\x12\x01b"]
)
def test_a_file_whose_names_are_no_text_is_left_out_alone(broken: bytes) -> None:
    file = made("a.proto", "a", messages=["A"])

    mended = mend([file, broken])

    assert mended.names == ["a.proto", None]
    assert mended.files == [file]
    assert mended.notes[1] != ""


@pytest.mark.parametrize(
    ("name", "imported"),
    [
        ("x" * 256, ()),
        ("x/" * 33 + "x", ()),
        ("a.proto", ["x" * 256]),
        ("a.proto", ["x/" * 33 + "x"]),
        ("a.proto", [str(number) for number in range(1001)]),
    ],
    ids=["name", "folders", "import's name", "import's folders", "imports"],
)
def test_what_no_file_has_so_many_of_leaves_it_out(name: str, imported: Sequence[str]) -> None:
    file = made("b.proto", "b", ["x" * 255, "x/" * 32 + "x"])

    mended = mend([made(name, "a", imported), file])

    assert mended.names == [None, "b.proto"]
    assert mended.notes[0] != ""


def test_a_file_that_does_not_parse_is_left_out_alone() -> None:
    file = made("a.proto", "a", messages=["A"])

    mended = mend([b"\n\x07b.proto\x22\x01\xff", file])

    assert mended.files == [file]
    assert mended.notes[0] != ""


# Whatever is given

NAMES = ["a.proto", "b.proto", "d/a.proto", "d/b.proto", "p/a.proto", "descriptor.proto", ANY]
PACKAGES = ["", "p", "q", "google.protobuf"]
MESSAGES = ["M", "N"]
TYPES = ["M", "p.M", "q.N", "google.protobuf.FileOptions", "google.protobuf.Any"]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    package = draw(st.sampled_from(PACKAGES))
    imported = draw(st.lists(st.sampled_from([*NAMES, DESCRIPTOR]), unique=True, max_size=3))
    indexes = st.sets(st.sampled_from(range(len(imported)))) if imported else st.just(set[int]())
    file = made(
        draw(st.sampled_from(NAMES)),
        package,
        imported,
        messages=draw(st.lists(st.sampled_from(MESSAGES), unique=True, max_size=2)),
        uses=draw(st.lists(st.sampled_from(TYPES), max_size=1)),
        public=sorted(draw(indexes)),
        weak=sorted(draw(indexes)),
    )
    return with_option(file) if draw(st.booleans()) else file


@given(st.lists(files(), max_size=6))
@settings(max_examples=60, deadline=None)
def test_whatever_is_left_links_and_the_rest_is_accounted_for(given_files: list[bytes]) -> None:
    mended = mend(given_files)

    Schema("mended", mended.files)
    called = [read_file(data).name for data in mended.files]
    assert len(set(called)) == len(called)
    assert len(mended.names) == len(mended.notes) == len(given_files)
    assert {name for name in mended.names if name is not None} <= set(called)
    assert all(note for name, note in zip(mended.names, mended.notes, strict=True) if name is None)
    for index, data in enumerate(mended.files):
        assert set(read_file(data).imports) <= set(called[:index])


@given(st.lists(files(), max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_mended_set_stays_as_it_is(given_files: list[bytes]) -> None:
    first = mend(given_files)

    second = mend(first.files)

    assert sorted(second.files) == sorted(first.files)
    assert second.notes == [""] * len(first.files)
