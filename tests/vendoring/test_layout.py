"""What files are imported as is told by how they import each other."""

from __future__ import annotations

import pytest

from toolkit.schema.vendoring.layout import Layout, find_layout, is_third_party

GITHUB = "github.com/containerd/containerd/"


@pytest.mark.parametrize(
    ("imports", "layout"),
    [
        pytest.param(
            {"api/a.proto": [f"{GITHUB}api/types/b.proto"], "api/types/b.proto": []},
            Layout("", GITHUB),
            id="a checkout of containerd up to 2.2",
        ),
        pytest.param(
            {"a.proto": [f"{GITHUB}api/types/b.proto"], "types/b.proto": []},
            Layout("", f"{GITHUB}api/"),
            id="the module of the API alone",
        ),
        pytest.param(
            {"api/x/a.proto": ["types/b.proto"], "api/types/b.proto": [], "cmd/c.proto": []},
            Layout("api/", ""),
            id="a checkout of containerd since 2.3",
        ),
        pytest.param(
            {"x/a.proto": ["types/b.proto"], "types/b.proto": []},
            Layout("", ""),
            id="an import root",
        ),
        pytest.param(
            {"src/libs/protos/agent.proto": ["types.proto"], "src/libs/protos/types.proto": []},
            Layout("src/libs/protos/", ""),
            id="a checkout of kata",
        ),
        pytest.param(
            {"pkg/api/api.proto": ["google/protobuf/any.proto"]},
            Layout("", ""),
            id="one file that imports nothing of its own",
        ),
        pytest.param(
            {
                "api/a.proto": [f"{GITHUB}api/types/b.proto", "gogoproto/gogo.proto"],
                "api/types/b.proto": ["gogoproto/gogo.proto"],
                "protobuf/gogoproto/gogo.proto": [],
                "api/c.proto": [f"{GITHUB}api/a.proto"],
            },
            Layout("", GITHUB),
            id="what most imports agree on",
        ),
    ],
)
def test_the_layout_is_the_one_that_imports_agree_with(
    imports: dict[str, list[str]], layout: Layout
) -> None:
    assert find_layout(imports) == layout


def test_the_line_before_decides_where_files_do_not_import_each_other() -> None:
    known = ["github.com/containerd/cgroups/cgroup1/stats/metrics.proto"]

    found = find_layout({"cgroup1/stats/metrics.proto": []}, known)

    assert found == Layout("", "github.com/containerd/cgroups/")


def test_a_name_leads_to_a_file_and_back() -> None:
    layout = Layout("api/", "example.com/mine/")

    assert layout.name("api/a/b.proto") == "example.com/mine/a/b.proto"
    assert layout.file("example.com/mine/a/b.proto") == "api/a/b.proto"
    assert layout.name("cmd/b.proto") is None
    assert layout.file("example.com/other/b.proto") is None


@pytest.mark.parametrize(
    ("file", "third"),
    [
        ("vendor/github.com/gogo/protobuf/gogoproto/gogo.proto", True),
        ("x/testdata/a.proto", True),
        (".github/a.proto", True),
        ("api/vendors/a.proto", False),
        ("vendor.proto", False),
    ],
)
def test_what_is_not_a_project_s_own_is_known_by_its_folder(file: str, *, third: bool) -> None:
    assert is_third_party(file) is third


def test_many_files_of_one_name_are_no_trouble() -> None:
    """Each is imported by another: told apart by the folders, in a time that grows with them."""
    files = {f"api/p{n}/v1/service.proto": [f"x.org/api/p{n + 1}/v1/service.proto"]
             for n in range(600)}  # fmt: skip

    assert find_layout(files) == Layout("", "x.org/")


def test_an_import_that_climbs_is_no_witness() -> None:
    files = {"a/b.proto": ["../a/c.proto"], "a/c.proto": []}

    assert find_layout(files) == Layout()
