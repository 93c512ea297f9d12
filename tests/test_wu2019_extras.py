"""What goes beyond the tables and figures of Wu et al. 2020: the sensitivity study and its command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from snnrl.cli.reproduce.wu2019 import wu2019 as command
from snnrl.errors import InvalidValueError, RunFolderError, UnknownNameError
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.studies import wu2019
from snnrl.studies.wu2019 import sensitivity
from snnrl.studies.wu2019.approaches import approaches
from snnrl.studies.wu2019.curves import limited_curve, pre_trained_off_policy
from snnrl.studies.wu2019.limited import Limited
from snnrl.studies.wu2019.settings import Settings
from snnrl.studies.wu2019.study import Study
from snnrl.tasks import RotaryPendulum

TINY = Settings(
    agents=4, seed=7, pendulum=RotaryPendulum(steps=30, start_angle=2.0), network=CrossbarActorCritic(w_init=1.5),
    pre_training_trials=40, re_training_trials=25, pre_training_criterion=2, test_states=20, test_trials=3, threads=1,
)  # fmt: skip
FEW = Limited(agents=3, samples=50, consumed=40, total=400, checkpoints=3, learners=(1, 4))


def test_every_variant_changes_one_thing() -> None:
    found = dict(sensitivity.variants(Settings()))
    reference = found.pop(sensitivity.REFERENCE).to_dict()
    assert reference == Settings().to_dict()
    for name, changed in found.items():
        parts = {key: value for key, value in changed.to_dict().items() if value != reference[key]}
        (part, value), (path, _, text) = parts.popitem(), name.partition(" = ")
        assert not parts, name
        key = path.rpartition(".")[2]
        if path != part:
            before, value = reference[part], dict(value)  # type: ignore[call-overload]
            assert [k for k in value if value[k] != before[k]] == [key], name  # type: ignore[index]
            value = value[key]
        assert str(value) == text or float(value) == float(text), name
    assert len(found) == len({json.dumps(s.to_dict()) for s in found.values()}) > 20


def test_rows_of_the_variants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sensitivity, "_PENDULUM", {"voltage": (3.0,)})
    monkeypatch.setattr(sensitivity, "_NETWORK", {})
    monkeypatch.setattr(sensitivity, "_STUDY", {})
    monkeypatch.setattr(sensitivity, "LEVEL", 12.0)
    result = wu2019.reproduce(extra="sensitivity", folder=tmp_path, settings=TINY, limited=FEW)
    chosen, strong = result["rows"]
    assert chosen["row"] == "as chosen"
    assert strong["row"] == "pendulum.voltage = 3"
    for row in (chosen, strong):
        assert row["inference_updates"] == 0 < row["exact_updates"]
        for name in ("baseline", "inference", "exact", "manhattan"):
            assert 1 <= row[f"{name}_t2f"] <= 30
        assert row["zero_4_fewer_than_zero_1"] is None or row["zero_4_fewer_than_zero_1"] > 0
    assert chosen["inference_t2f"] != strong["inference_t2f"]  # the variant is really run
    json.dumps(result, allow_nan=False)
    kept = sorted(path.name for path in (tmp_path / "sensitivity").iterdir())
    assert kept == ["00", "01"]
    began = (tmp_path / "sensitivity" / "01" / "zero-4.npz").stat().st_mtime_ns
    again = wu2019.reproduce(extra="sensitivity", folder=tmp_path, settings=TINY, limited=FEW)
    assert again["rows"] == result["rows"]
    assert (tmp_path / "sensitivity" / "01" / "zero-4.npz").stat().st_mtime_ns == began


def test_time_of_a_result_is_kept_with_it(tmp_path: Path) -> None:
    first = wu2019.reproduce(table=1, folder=tmp_path, settings=TINY)
    again = wu2019.reproduce(table=1, folder=tmp_path, settings=TINY)
    assert first["seconds"] == again["seconds"]
    assert set(first["seconds"]) >= {"pre-training", "baseline", "exact", "inference"}
    assert all(seconds > 0 for seconds in first["seconds"].values())
    assert "seconds" not in dataclasses.asdict(TINY)


def test_extras_are_refused_in_one_line() -> None:
    with pytest.raises(UnknownNameError, match=r"--extra.*'sensitivty'.*sensitivity") as raised:
        wu2019.reproduce(extra="sensitivty", settings=TINY, limited=FEW)
    assert "\n" not in str(raised.value)
    with pytest.raises(InvalidValueError, match=r"one of --table, --figure, --extra and --all"):
        command(table="1", extra="converters")


def test_a_folder_whose_first_write_was_killed_is_new(tmp_path: Path) -> None:
    (tmp_path / ".study.json.123.tmp").write_text("{")
    assert Study(TINY, tmp_path).seconds == {}
    assert (tmp_path / "study.json").exists()


@pytest.mark.parametrize("name", ["pre-training", "inference", "off-policy", "zero-1"])
def test_a_result_without_one_of_its_arrays_is_one_line(name: str, tmp_path: Path) -> None:
    study = Study(TINY, tmp_path, limited=FEW)
    np.savez(tmp_path / f"{name}.npz", other=np.zeros(1))
    asked = {
        "pre-training": lambda: study.pre_trained,
        "inference": lambda: [setattr(study, "_made", {"pre-training": {"weights": np.zeros((1, 72))}}),
                              study.outcome(approaches(TINY)["inference"])],
        "off-policy": lambda: pre_trained_off_policy(study),
        "zero-1": lambda: limited_curve(study, "zero", 1),
    }  # fmt: skip
    with pytest.raises(
        RunFolderError, match=rf"{name}.npz: damaged \(without .*, allowed: a result"
    ) as raised:
        asked[name]()
    assert "\n" not in str(raised.value)


def test_a_folder_of_another_scenario_is_refused(tmp_path: Path) -> None:
    Study(TINY, tmp_path, limited=FEW)
    with pytest.raises(
        RunFolderError, match=r"a study with limited = .*'agents': 3.*, allowed: the same .*'agents': 9"
    ):
        Study(TINY, tmp_path, limited=dataclasses.replace(FEW, agents=9))


def test_agents_of_the_curves_are_an_option(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^--curve-agents: got 0, allowed: a whole number of at least 1$"
    ):
        command(figure="13", curve_agents="0")
    Study(dataclasses.replace(Settings(), agents=7), tmp_path, limited=Limited(agents=3))
    with pytest.raises(RunFolderError, match=r"'agents': 3.*'agents': 5"):
        command(figure="13", agents="7", curve_agents="5", out=tmp_path)
    with pytest.raises(RunFolderError, match=r"'agents': 3.*'agents': 7"):
        command(figure="13", agents="7", out=tmp_path)
