"""The figures say what they show: titles, labels, lines, sizes; read from the Figure objects."""

import struct
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from snnrl.figures import learning_curve, learning_curve_figure, raster, raster_figure
from snnrl.figures.raster import ACTION_COLOURS
from snnrl.figures.style import DPI
from snnrl.tasks import CartPole
from snnrl.training.result import NEVER, AgentRecord, EpisodeRecording, TrainingConfig, TrainingResult


def result(lengths: list[list[int]], solved_at: list[int], **options: object) -> TrainingResult:
    agents = [
        AgentRecord(seed, np.array(row), np.array(row, float), at, np.array([500]), 200.0)
        for seed, (row, at) in enumerate(zip(lengths, solved_at, strict=True))
    ]
    config = TrainingConfig(seeds=len(agents), solve_window=2, **options)  # type: ignore[arg-type]
    return TrainingResult(config, agents, baselines={"random": {"mean_length": 22.3}})


def recording(steps: int, critic: bool = True) -> EpisodeRecording:
    rng = np.random.default_rng(0)
    populations = {"input": 13, "critic": 3, "push left": 2, "push right": 2}
    spikes = {name: rng.random((steps * 20, size)) < 0.1 for name, size in populations.items()}
    spikes["input"][:, 5] = False
    if not critic:
        del spikes["critic"]
    observation = np.zeros((steps, 4))
    observation[:, 2] = 0.01
    observation[:2, 2] = 0.1  # the start does not count
    observation[-3, 2] = -0.05
    return EpisodeRecording(
        dt=0.001,
        env_step=0.02,
        spikes=spikes,
        value=np.linspace(0, 1, steps) if critic else None,
        td_error=np.zeros(steps) if critic else None,
        observation=observation,
        action=np.arange(steps) % 2,
        reward=np.ones(steps),
        observation_names=CartPole().observation_labels,
        observation_limits=CartPole().observation_limits,
    )


def line(axes: Axes, label: str) -> np.ndarray:
    (found,) = [each for each in axes.lines if str(each.get_label()).startswith(label)]
    return np.asarray(found.get_ydata(), dtype=float)


def rows(figure: Figure, columns: int) -> list[list[Axes]]:
    return [figure.axes[start : start + columns] for start in range(0, len(figure.axes), columns)]


def png_size(path: Path) -> tuple[int, ...]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", content[16:24])


def test_learning_curve_shows_the_median_the_criterion_and_the_baseline() -> None:
    figure = learning_curve_figure(
        result([[10, 20, 480, 490], [20, 40, 60, 80], [90, 60, 70, 80]], [4, NEVER, NEVER])
    )
    top, bottom = figure.axes
    assert np.array_equal(line(top, "median"), [20, 40, 70, 80])
    running = line(top, "mean of the last 2 episodes")
    assert np.isnan(running[0])
    assert np.array_equal(running[1:], [30, 65, 75])
    assert np.array_equal(line(top, "solved: mean of 2 reaches 475"), [475, 475])
    assert np.array_equal(line(top, "random policy: 22 steps"), [22.3, 22.3])
    assert top.get_ylabel() == "episode length (steps)"
    assert bottom.get_xlabel() == "episode"
    assert (
        bottom.get_title(loc="center") + bottom.get_title(loc="left")
        == "Seeds that have solved the task: 1 of 3"
    )
    assert "cartpole: actor-critic, td-ltp, ideal synapses, gaussian reward, 3 seeds" in figure.get_suptitle()


def test_solved_share_steps_up_where_seeds_solve() -> None:
    figure = learning_curve_figure(result([[500] * 4, [500] * 6, [5] * 8, [5] * 8], [4, 6, NEVER, NEVER]))
    (share,) = figure.axes[1].lines
    assert np.array_equal(share.get_xdata(), [0, 4, 6, 8])
    assert np.array_equal(share.get_ydata(), [0, 25, 50, 50])


def test_band_is_a_bootstrap_interval_and_ends_when_half_of_the_seeds_have_stopped() -> None:
    lengths = [[10, 20, 30]] * 3 + [[30, 20, 30, 500]] * 2
    figure = learning_curve_figure(result(lengths, [3, 3, 3, NEVER, NEVER]))
    (band,) = figure.axes[0].collections
    corners = np.asarray(band.get_paths()[0].vertices)
    assert corners[:, 0].max() == 3
    assert corners[corners[:, 0] == 1][:, 1].min() == 10
    assert corners[corners[:, 0] == 1][:, 1].max() == 30
    assert np.isnan(line(figure.axes[0], "median")[3])


def test_stopped_seeds_keep_their_last_mean() -> None:
    figure = learning_curve_figure(result([[480, 480], [490, 490], [10, 10, 20]], [2, 2, NEVER]))
    assert np.array_equal(line(figure.axes[0], "mean of the last 2")[1:], [480, 480])


def test_one_seed_and_no_baseline_and_no_criterion() -> None:
    single = result([[10, 20, 30]], [NEVER], task="gym:Acrobot-v1")
    single.baselines = None
    figure = learning_curve_figure(single)
    labels = [str(each.get_label()) for each in figure.axes[0].lines]
    assert not any("random" in label or "solved" in label for label in labels)
    assert not figure.axes[0].collections


def test_too_few_episodes_for_the_criterion_have_no_line_for_it() -> None:
    labels = [
        str(each.get_label()) for each in learning_curve_figure(result([[9], [9]], [NEVER] * 2)).axes[0].lines
    ]
    assert not any(label.startswith("mean of the last") for label in labels)


def test_learning_curve_file(tmp_path: Path) -> None:
    learning_curve(result([[10, 20, 30]] * 2, [3, 3]), tmp_path / "curve.png")
    assert png_size(tmp_path / "curve.png") == (8 * DPI, 960)
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]


def test_raster_has_a_row_for_each_thing_and_a_close_up() -> None:
    episode = recording(100)
    figure = raster_figure(episode)
    whole = [row[0] for row in rows(figure, 2)]
    assert [axes.get_ylabel() for axes in whole] == [
        "input neurons\n(12 of 13 fire)",
        "3 critic\nneurons",
        "4 actor\nneurons",
        "value",
        "TD error",
        "pole angle (°)",
    ]
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == ["time in the episode (s)"] * 2
    assert figure.axes[-2].get_xlim() == (0.0, 2.0)
    low, high = figure.axes[-1].get_xlim()
    assert high - low == pytest.approx(0.4)
    assert low < 97 * 0.02 < high  # where the pole leans most


def test_raster_dots_are_the_spikes() -> None:
    episode = recording(100)
    actor = rows(raster_figure(episode), 2)[2][1]
    left, right = [each for each in actor.lines if each.get_marker() == "o"]
    steps, neurons = np.nonzero(episode.spikes["push right"])
    assert np.allclose(right.get_xdata(), (steps + 0.5) * 0.001)
    assert np.array_equal(right.get_ydata(), neurons + 2)
    assert np.size(left.get_xdata()) == episode.spikes["push left"].sum()
    assert (left.get_color(), right.get_color()) == ACTION_COLOURS[:2]


def test_whole_episode_is_shaded_by_the_spikes_in_each_environment_step() -> None:
    episode = recording(100)
    figure = raster_figure(episode)
    left, right = rows(figure, 2)[2][0].images
    counts = episode.spikes["push right"].reshape(100, 20, 2).sum(axis=1)
    assert np.array_equal(np.asarray(right.get_array()), counts.T)
    assert tuple(right.get_extent()) == (0.0, 2.0, 1.5, 3.5)
    assert to_hex(right.get_cmap()(1.0)).upper() == ACTION_COLOURS[1]
    assert left.get_clim() == (0, episode.spikes["push left"].reshape(100, 20, 2).sum(axis=1).max())
    (silent_left_out,) = rows(figure, 2)[0][0].images
    assert np.asarray(silent_left_out.get_array()).shape == (12, 100)
    assert "spikes in 20 ms" in figure.axes[0].get_title(loc="left") + figure.axes[0].get_title()


def test_raster_tints_the_action_taken_and_names_the_groups() -> None:
    close_up = rows(raster_figure(recording(100)), 2)[2][1]
    legend = close_up.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["push right", "push left"]
    tints = [to_hex(patch.get_facecolor()).upper() for patch in close_up.patches]
    assert tints == [ACTION_COLOURS[step % 2] for step in range(100)]


def test_angle_is_in_degrees_between_its_limits() -> None:
    angle = rows(raster_figure(recording(100)), 2)[-1][0]
    levels = sorted(np.asarray(each.get_ydata())[0] for each in angle.lines if each.get_linestyle() == "--")
    assert levels == pytest.approx([-12.0, 12.0], abs=0.01)
    assert np.asarray(angle.lines[0].get_ydata())[0] == pytest.approx(np.degrees(0.1))
    assert angle.get_ylim()[1] > 12.0


def test_short_episode_without_critic_is_one_column(tmp_path: Path) -> None:
    figure = raster_figure(recording(20, critic=False))
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == [
        "input neurons",
        "4 actor",
        "pole angle (°)",
    ]
    raster(recording(20, critic=False), tmp_path / "raster.png")
    assert png_size(tmp_path / "raster.png")[0] == 9 * DPI


def test_unknown_first_variable_is_shown_by_its_name() -> None:
    episode = recording(20)
    episode.observation_names = ("position", "velocity", "third", "fourth")
    assert raster_figure(episode).axes[-1].get_ylabel() == "position"
