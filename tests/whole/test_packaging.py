"""What is shipped: the wheel and the sdist, their metadata, and the pins of the development environment."""

import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("archspec", "compiler", "runtime")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

Platform = dict[str, str]
WITH_GPU_WHEELS: list[Platform] = [
    {"platform_system": "Linux", "platform_machine": "x86_64"},
    {"platform_system": "Windows", "platform_machine": "AMD64"},
]
WITHOUT_GPU_WHEELS: list[Platform] = [
    {"platform_system": "Linux", "platform_machine": "aarch64"},
    {"platform_system": "Windows", "platform_machine": "ARM64"},
    {"platform_system": "Darwin", "platform_machine": "arm64"},
    {"platform_system": "Darwin", "platform_machine": "x86_64"},
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was built from that sdist."""
    out = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files as pip would lay them into site-packages."""
    site = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


@pytest.fixture(scope="module")
def distribution(unpacked: Path) -> Distribution:
    (found,) = distributions(path=[str(unpacked)])
    return found


def files_of(folder: Path, top: str) -> set[str]:
    paths = (path for path in (folder / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


def test_wheel_holds_the_packages_and_the_zoo_and_nothing_else(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        *PACKAGES,
        "specs",
        f"archspec_compiler-{PROJECT['version']}.dist-info",
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_has_every_file_of_the_package(unpacked: Path, package: str) -> None:
    shipped = files_of(unpacked, package)
    assert shipped == files_of(ROOT, package)
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= shipped


def test_wheel_has_the_zoo_and_it_is_yaml_alone(unpacked: Path) -> None:
    shipped = files_of(unpacked, "specs")
    assert shipped == files_of(ROOT, "specs")
    assert {PurePosixPath(name).suffix for name in shipped} == {".yaml"}


def test_zoo_is_found_from_an_unpacked_wheel(unpacked: Path, tmp_path: Path) -> None:
    script = f"import sys; sys.path.insert(0, {str(unpacked)!r}); import archspec; archspec.load('resnet_digits'); "
    script += "print(archspec.__file__)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == unpacked / "archspec" / "__init__.py"


def test_metadata(distribution: Distribution) -> None:
    metadata = distribution.metadata
    assert (metadata["Name"], metadata["Version"]) == ("archspec-compiler", PROJECT["version"])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert set(metadata.get_all("Provides-Extra") or ()) == {
        "train",
        "run",
        "pictures",
        "volumes",
        "tensorboard",
        "all",
        "dev",
    }
    assert [(entry.group, entry.name, entry.value) for entry in distribution.entry_points] == [
        ("console_scripts", "archspec", "archspec.cli.main:main")
    ]


def test_sdist_can_be_worked_on(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "Makefile",
        "README.md",
        "constraints.txt",
        "pyproject.toml",
        "tests/whole/test_packaging.py",
    } <= names


def requirements(*extras: str) -> Iterator[Requirement]:
    declared = PROJECT["optional-dependencies"]
    for text in PROJECT["dependencies"] + [text for extra in extras for text in declared[extra]]:
        yield Requirement(text)


def names_on(platform: Platform, *extras: str) -> set[str]:
    return {item.name for item in requirements(*extras) if item.marker is None or item.marker.evaluate(platform)}


@pytest.mark.parametrize("platform", WITH_GPU_WHEELS + WITHOUT_GPU_WHEELS, ids=str)
def test_exactly_one_onnxruntime_per_platform(platform: Platform) -> None:
    chosen = names_on(platform, "run") & {"onnxruntime", "onnxruntime-gpu"}
    assert chosen == {"onnxruntime-gpu" if platform in WITH_GPU_WHEELS else "onnxruntime"}


def test_analysis_alone_needs_no_framework() -> None:
    assert {item.name for item in requirements()} == {"pydantic", "PyYAML", "networkx", "numpy", "typer", "rich"}


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(item.name): item for item in pinned}


def test_constraints_are_exact_and_free_of_local_versions() -> None:
    for pin in pins().values():
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin
        assert "+" not in specifier.version, pin
        assert "*" not in specifier.version, pin


def test_every_requirement_is_pinned_within_its_range() -> None:
    pinned = pins()
    for item in requirements("train", "run", "pictures", "volumes", "tensorboard", "dev"):
        (specifier,) = pinned[canonicalize_name(item.name)].specifier
        assert item.specifier.contains(specifier.version), item


def test_both_onnxruntimes_are_pinned_to_one_version() -> None:
    assert pins()["onnxruntime"].specifier == pins()["onnxruntime-gpu"].specifier
