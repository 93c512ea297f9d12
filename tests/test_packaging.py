"""The wheel holds everything and nothing else; imports point one way; ``import snnrl`` stays light."""

from __future__ import annotations

import ast
import fnmatch
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "snnrl": "snnrl",
    "snnrl.networks": "networks",
    "snnrl.plasticity": "plasticity",
    "snnrl.tasks": "tasks",
}
"""Packages whose folder stands at the root."""
HEAVY = {"torch", "brian2", "bindsnet", "numba", "matplotlib", "scipy", "gymnasium"}

LAYERS = (
    ("snnrl.errors", "snnrl.random"),
    ("snnrl.coding",),
    ("snnrl.model",),
    ("snnrl.equations", "snnrl.plasticity", "snnrl.tasks"),
    ("snnrl.networks", "snnrl.engines"),
    tuple(f"snnrl.training.{m}" for m in ("config", "files", "result", "checkpoint", "runfolder", "summary")),
    ("snnrl.figures", "snnrl.studies.baselines"),
    ("snnrl.report",),
    ("snnrl.training",),
    ("snnrl.demo", "snnrl.conversion"),
    ("snnrl.distillation",),
    ("snnrl.play",),
    ("snnrl.studies", "snnrl.api", "snnrl.simulation"),
    ("snnrl.cli",),
    ("snnrl.__main__",),
)
"""Lowest first: a module imports from lower layers and, in its own layer, from its own subpackage."""
EXCEPTIONS = {("snnrl.engines", "snnrl.plasticity")}
"""Lower layers that may not be imported all the same: an engine knows no learning rule."""


def modules() -> Iterator[tuple[str, Path]]:
    """Give every module of the package with its file, each once."""
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if package == "snnrl" and f"snnrl.{parts[0]}" in FOLDERS:
                continue  # the links
            yield ".".join([package, *parts]).removesuffix(".__init__"), path


MODULES = dict(modules())


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# ---------------------------------------------------------------------- wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from a copy of the tree."""
    copy = tmp_path_factory.mktemp("source")
    tree = [*sorted(set(FOLDERS.values())), "tests", "pyproject.toml", "README.md", "LICENSE"]
    skip = "--exclude=__pycache__"
    packed = subprocess.run(["tar", "-c", skip, *tree], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=copy, input=packed, check=True)
    out = copy / "out"
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--wheel-dir",
        out,
        copy,
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_wheel_holds_every_module_the_type_marker_and_the_data_files(wheel: list[str]) -> None:
    held = {name for name in wheel if name.startswith("snnrl/")}
    expected = {_place(name, path) for name, path in MODULES.items()}
    folders = ("demo/pretrained", "demo/static", "play/students", "play/static")
    data = [path for folder in folders for path in (ROOT / "snnrl" / folder).iterdir()]
    assert {path.suffix for path in data} == {".npz", ".html", ".css", ".js", ".tn"}
    assert held == expected | {"snnrl/py.typed"} | {path.relative_to(ROOT).as_posix() for path in data}


def _place(name: str, path: Path) -> str:
    return name.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")


def test_wheel_holds_nothing_but_the_package_and_its_metadata(wheel: list[str]) -> None:
    others = [
        n for n in wheel if not n.startswith("snnrl/") and not fnmatch.fnmatch(n, "snnrl-*.dist-info/*")
    ]
    assert others == []
    assert any(name.endswith("/LICENSE") for name in wheel)


# ---------------------------------------------------------------------- list of packages, folders, links


def test_listed_packages_are_the_folders_with_modules() -> None:
    listed = pyproject()["tool"]["setuptools"]["packages"]
    found = {
        name if path.name == "__init__.py" else name.rpartition(".")[0] for name, path in MODULES.items()
    }
    assert sorted(listed) == sorted(found)


def test_every_package_has_an_init_file() -> None:
    packages = {path.parent for path in MODULES.values()}
    assert [str(p) for p in packages if not (p / "__init__.py").is_file()] == []


def test_mapped_folders_are_those_at_the_root() -> None:
    assert pyproject()["tool"]["setuptools"]["package-dir"] == FOLDERS


@pytest.mark.parametrize("folder", [f for f in FOLDERS.values() if f != "snnrl"])
def test_link_leads_to_the_folder(folder: str) -> None:
    link = ROOT / "snnrl" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder


# ---------------------------------------------------------------------- imports


def imports(path: Path) -> Iterator[str]:
    """Give what a file imports, inside functions too, without what only a type checker imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else str(node.module)


def layer(module: str) -> int:
    """Return the layer of a module; the longest prefix decides."""
    matches = [
        (len(prefix), level)
        for level, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if module == prefix or module.startswith(prefix + ".")
    ]
    assert matches, f"{module} is in no layer: add it to LAYERS"
    return max(matches)[1]


def subpackage(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("name", [name for name in MODULES if name != "snnrl"])
def test_imports_point_one_way(name: str) -> None:
    for target in {t for t in imports(MODULES[name]) if t.startswith("snnrl.")}:
        same = subpackage(target) == subpackage(name) and layer(target) == layer(name)
        assert same or layer(target) < layer(name), f"{name} imports {target}"
        assert (subpackage(name), subpackage(target)) not in EXCEPTIONS, f"{name} imports {target}"


def test_folders_at_the_root_are_imported_as_snnrl() -> None:
    banned = {folder for folder in FOLDERS.values() if folder != "snnrl"}
    files = [*MODULES.values(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    plain = {
        (str(path), name) for path in files for name in imports(path) if name.partition(".")[0] in banned
    }
    assert plain == set()


def test_folders_at_the_root_cannot_be_imported_plainly(tmp_path: Path) -> None:
    """An installed snnrl adds one top-level name."""
    program = "import importlib.util as u; print([n for n in ('networks', 'plasticity', 'tasks') if u.find_spec(n)])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_import_is_light(package: str) -> None:
    program = f"import {package}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()
