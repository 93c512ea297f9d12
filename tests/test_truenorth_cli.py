"""``snnrl map`` and ``snnrl info`` for students and core files, and the figures of a chip."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snnrl.cli import main
from snnrl.figures.truenorth import activity_figure, chip_figure
from snnrl.networks.truenorth import LayerSpec, StudentSpec, random_network
from snnrl.networks.truenorth.mapping import map_network

ROWS = ((16, 4, 2, 1, 1), (32, 3, 1, 1, 2), (128, 1, 1, 0, 1), (32, 2, 1, 0, 8))
SMALL = StudentSpec("small", tuple(LayerSpec(*row) for row in ROWS), channels=2, side=12)
KEYS = {"cores", "chips", "splitters", "axons_used", "neurons_used", "fan_in_max"}


@pytest.fixture
def student(tmp_path: Path) -> Path:
    path = tmp_path / "small.tn"
    random_network(SMALL, 4, seed=0).save(path)
    return path


def refusal(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command that must be refused, and return its one line."""
    assert main([str(word) for word in words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_map_writes_cores_numbers_and_figure(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("cores.json", "numbers.json", "cores.png")]
    assert (
        main(
            ["map", str(student), "--out", str(files[0]), "--json", str(files[1]), "--figure", str(files[2])]
        )
        == 0
    )
    numbers = json.loads(files[1].read_text())
    chip = map_network(random_network(SMALL, 4, seed=0))
    assert numbers.keys() >= KEYS
    assert (numbers["cores"], numbers["splitters"]) == (chip.n_cores, int(chip.splitters.sum()))
    assert numbers["neurons_used"] == int(chip.n_neurons.sum())
    assert sum(row["cores"] + row["splitters"] for row in numbers["layers"]) == chip.n_cores
    assert files[2].read_bytes().startswith(b"\x89PNG")
    assert f"{numbers['axons_used']:,}" in capsys.readouterr().out
    files[2].unlink()
    assert main(["info", str(files[0]), "--json", str(files[1]), "--figure", str(files[2])]) == 0
    assert files[2].read_bytes().startswith(b"\x89PNG")
    shown = json.loads(files[1].read_text())
    assert {key: shown[key] for key in KEYS} == {key: numbers[key] for key in KEYS}
    assert shown["violations"] == []
    assert sum(row["neurons"] for row in shown["layers"]) == numbers["neurons_used"]


def test_map_takes_a_run_folder_and_rectangles(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    wide = StudentSpec("wide", (LayerSpec(16, 3, 1, 1), LayerSpec(16, 3, 2, 1, 2)), channels=1, side=8)
    random_network(wide, 2, seed=0).save(folder / "student.tn")
    counts = []
    for tiles in ("square", "any"):
        assert main(["map", str(folder), "--tiles", tiles, "--json", str(tmp_path / "numbers.json")]) == 0
        counts.append(json.loads((tmp_path / "numbers.json").read_text())["cores"])
    assert counts[1] < counts[0]


def test_info_shows_a_student(student: Path, tmp_path: Path) -> None:
    picture = tmp_path / "activity.png"
    words = ["info", str(student), "--json", str(tmp_path / "info.json"), "--figure", str(picture)]
    assert main(words) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = json.loads((tmp_path / "info.json").read_text())
    assert (shown["student"], shown["actions"], shown["parameters"]) == ("small", 4, SMALL.parameters)
    assert [row["fan_in"] for row in shown["layers"]] == [32, 72, 32, 64]
    assert all(row["spikes"] > 0 for row in shown["layers"])
    assert sum(row["cores"] for row in shown["layers"][1:]) == shown["cores"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("map", "2-chips"), "snnrl: STUDENT: got '2-chips', allowed: a packed student, a folder with student.tn, or one of mini,"),
        (("map", "FOLDER"), "snnrl: STUDENT: got "),
        (("map", "GARBAGE"), "something else', allowed: a student saved by snnrl"),
        (("map", "STUDENT", "--tiles", "round"), "snnrl: --tiles: got 'round', allowed: square, any"),
        (("map", "STUDENT", "--out", "no/folder/cores.json"), "snnrl: --out: got 'no/folder/cores.json', allowed: a file in a folder"),
        (("info", "GARBAGE"), "core file"),
        (("info", "--figure", "x.png"), "snnrl: --figure: got 'x.png', allowed: a file in a folder that exists, with a"),
        (("info", "FOLDER", "--figure", "x.png"), "snnrl: --figure: got 'x.png'"),
        (("info", "STUDENT", "--figure", "no/x.png"), "snnrl: --figure: got 'no/x.png'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    words: tuple[str, ...], message: str, student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garbage = tmp_path / "garbage.bin"
    garbage.write_bytes(b"\x00\xff" * 50)
    (tmp_path / "folder").mkdir()
    names = {"STUDENT": student, "GARBAGE": garbage, "FOLDER": tmp_path / "folder"}
    assert message in refusal(capsys, *(names.get(word, word) for word in words))


def test_the_chip_figure_shows_layers_splitters_and_use() -> None:
    chip = map_network(random_network(SMALL, 4, seed=0))
    figure = chip_figure(chip)
    placed, use = figure.axes
    assert placed.get_title() == f"{chip.n_cores:,} of 4,096 cores, {int(chip.splitters.sum()):,} splitters"
    picture = np.asarray(placed.images[0].get_array())
    assert np.sum(np.any(picture != 1.0, axis=2)) == chip.n_cores
    assert [label.get_text() for label in use.get_yticklabels()] == [
        "layer 2",
        "layer 3",
        "layer 4",
        "splitters",
    ]
    first = chip.n_neurons[chip.layers == 2].mean() / 256
    assert use.patches[0].get_width() == pytest.approx(100 * first)


def test_the_activity_figure_shows_means() -> None:
    rates = np.array([[0.1, 0.4], [0.3, 0.4]])
    axes = activity_figure(rates, ["1", "2"]).axes[0]
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([20, 40])
    assert axes.get_title().startswith("Activity over 2 frames")


def test_shapes_mapping_and_files_need_no_heavy_package() -> None:
    parts = ("cores", "mapping", "core_file", "checker", "ranc", "student_file", "cartpole", "play_field")
    program = (
        "; ".join(f"import snnrl.networks.truenorth.{part}" for part in parts)
        + "; import sys; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert names.isdisjoint({"torch", "numba", "matplotlib", "scipy", "gymnasium", "brian2"})
