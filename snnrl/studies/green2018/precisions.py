"""One table over dense, crossbar and spiking policies: what each precision earns on CartPole-v0, and what it costs.

Dense policies learn in their precision. The other two learn on devices of any conductance, and the weights of their actors
are put into few levels afterwards.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snnrl.networks.truenorth.energy import joules
from snnrl.plasticity.low_precision import Cost, LayerSize, Precision, SpikingSize, cost, spiking_cost
from snnrl.studies.green2018.learner import train_policies
from snnrl.studies.green2018.methods import METHODS
from snnrl.studies.green2018.reproduce import BLOCK, decision_cost, join
from snnrl.studies.green2018.rounding import learn_and_round
from snnrl.studies.green2018.settings import ENVIRONMENTS, Kind, Settings
from snnrl.studies.paper import Claim, Outcome, PaperStudy, Report, Row, mean_with_ends, part_of
from snnrl.studies.rewards.execute import Workers
from snnrl.studies.rewards.work import Part
from snnrl.training.config import TrainingConfig, known_name, whole_number

STUDY = "green2018-precisions"
WIDTH = 16
"""Hidden units of the dense policies: the smallest network of the paper."""
PRECISIONS = {
    "full": "full precision",
    "8-bit": "8 bits",
    "4-bit": "4 bits",
    "2-bit": "2 bits",
    "ternary": "-1, 0, +1",
    "binary-connect": "signs",
    "binary-net": "signs, units too",
    "compressed": "shared values",
    "pruned": "pruned",
}
"""Names of methods; `binary-net` is of dense policies alone: units that spike are binary anyway."""
DEVICES: dict[str, Any] = {"synapse": "memristive", "device": "al2o3", "spread": 0.3}
NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {},
    "crossbar": {"network": "crossbar", **DEVICES},
    "spiking": {"network": "actor-critic", **DEVICES},
}


@dataclass(frozen=True)
class PrecisionSettings:
    """What is run.

    Parameters
    ----------
    policies, seed
        Agents of each kind, and the seed of the first. Seeds below 100,000 are for tuning.
    networks
        Of `NETWORKS`.
    episodes
        Learning episodes: of dense policies exactly, of the others at most; 0: 3000 and 1000.
    evaluation_episodes
        At the end; dense policies draw their actions, as in learning, the others take the likeliest.
    k, percent
        As in `snnrl.studies.green2018.Settings`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or a name is not known.
    """

    policies: int = 20
    seed: int = 7_520_000
    networks: tuple[str, ...] = tuple(NETWORKS)
    episodes: int = 0
    evaluation_episodes: int = 100
    k: int = 8
    percent: float = 50.0

    def __post_init__(self) -> None:
        self.dense()  # checks the numbers
        whole_number("--policies", self.policies, 1)
        for name in self.networks:
            known_name("--networks", name, NETWORKS)

    def dense(self) -> Settings:
        """Return the settings of the dense policies."""
        same = ("policies", "seed", "episodes", "evaluation_episodes", "k", "percent")
        return Settings(widths=(WIDTH,), **{name: getattr(self, name) for name in same})

    def to_dict(self) -> dict[str, Any]:
        """Return as values for JSON what every number depends on."""
        values = dataclasses.asdict(self)
        del values["networks"]
        return {"study": STUDY, **values}

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Give the first agent of every part, and how many it has."""
        for first in range(0, self.policies, BLOCK):
            yield first, min(BLOCK, self.policies - first)

    def parts(self) -> Iterator[tuple[str, str, Part]]:
        """Give network, method (for dense policies) and part."""
        for network in self.networks:
            for first, count in self.blocks():
                if network == "dense":
                    for method in PRECISIONS:
                        kind = Kind("cartpole", method, "repaired", WIDTH)
                        options = self.dense().options(kind, first, count)
                        yield (
                            network,
                            method,
                            _part(f"dense-{method}", first, ".npz", train_policies, options),
                        )
                    continue
                config = TrainingConfig(
                    task="cartpole-v0", seed=self.seed + first, seeds=count, **NETWORKS[network],
                    episodes=self.episodes or 1000, evaluation_episodes=self.evaluation_episodes,
                ).to_dict()  # fmt: skip
                methods = [method for method in PRECISIONS if method != "binary-net"]
                numbers = {"methods": methods, "k": self.k, "percent": self.percent}
                yield (
                    network,
                    "",
                    _part(network, first, ".json", learn_and_round, {"config": config, **numbers}),
                )


def _part(name: str, first: int, ending: str, function: Any, options: dict[str, Any]) -> Part:
    return part_of(f"precisions-{name}-{first}", ending, function, (options,))


class Found(NamedTuple):
    """What agents of one kind did and take, a decision where nothing else is said.

    Parameters
    ----------
    returns
        Mean return of every agent.
    spent
        By Table I of the paper.
    spikes, events, array_energy, writes, write_energy
        None where there are none: spikes; synaptic events; joules in the arrays; writes of a device, and joules of
        all writes, of one training.
    """

    returns: list[float]
    spent: Cost | None
    spikes: float | None = None
    events: float | None = None
    array_energy: float | None = None
    writes: float | None = None
    write_energy: float | None = None
    bits: float | None = None


def reproduce(
    settings: PrecisionSettings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Train and evaluate all agents; parameters as in `snnrl.studies.vlasov2023.reproduce`."""
    chosen = settings or PrecisionSettings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    parts = list(chosen.parts())
    made = study.make("precisions", {part.file: part for _, _, part in parts})
    rows: list[Row] = []
    for network in chosen.networks:
        own = {
            method: [made[p.file] for n, m, p in parts if (n, m) == (network, method)]
            for method in ("", *PRECISIONS)
        }
        for method in PRECISIONS:
            if network == "dense":
                rows.append(_row(network, method, _dense(method, own[method], chosen)))
            elif method != "binary-net":
                loaded = [json.loads(content) for content in own[""]]
                rows.append(_row(network, method, _on_devices(network, method, loaded, chosen)))
    return study.finish(claims(rows), rows, [])


def _dense(method: str, contents: Iterable[bytes], settings: PrecisionSettings) -> Found:
    found = join(contents)
    returns = [float(each.evaluation_rewards.mean()) for each in found.records]
    kind = Kind("cartpole", method, "repaired", WIDTH)
    return Found(returns, decision_cost(kind, found.kept, settings.dense()))


def _on_devices(
    network: str, method: str, loaded: list[dict[str, Any]], settings: PrecisionSettings
) -> Found:
    """Return what was found of a network whose weights are on devices."""
    here = [each["methods"][method] for each in loaded]
    sizes, precision = loaded[0]["weights"], METHODS[method].precision(settings.k)
    kept = np.mean([counts for each in here for counts in each["kept"]], axis=0)
    writes = [n for each in loaded for n in each["writes"]]

    def mean(key: str) -> float:
        return float(np.mean([value for each in here for value in each[key]]))

    found = Found(
        [value for each in here for value in each["returns"]], None, array_energy=mean("array_energy"),
        writes=float(np.mean(writes)) / loaded[0]["devices"],
        write_energy=float(np.mean([joule for each in loaded for joule in each["write_energy"]])),
    )  # fmt: skip
    if network == "spiking":
        size = SpikingSize(sizes[0], float(kept[0]), mean("events"), loaded[0]["updates"])
        spent = spiking_cost(size, precision)
        return found._replace(
            spent=spent, spikes=mean("spikes"), events=mean("events"), bits=spent.parameter_bits
        )
    layers = zip(sizes, kept, strict=True)
    return found._replace(bits=sum(_stored(n, float(left), precision) for n, left in layers))


def _stored(weights: int, kept: float, precision: Precision) -> float:
    """Return the bits of a crossbar's layer; its constants are weights too, and few weights share no values."""
    own = precision if precision.shared < weights else Precision()
    return cost([LayerSize(weights, 0, kept=round(kept))], own).parameter_bits


def _row(network: str, method: str, found: Found) -> Row:
    """Return a row of the table; joules of a decision by the paper's Table I, in the arrays, and at 26 pJ an event."""
    level, returns = ENVIRONMENTS["cartpole"].level, np.array(found.returns)
    spent = found.spent
    return {
        "row": f"{network}, {PRECISIONS[method]}",
        "network": network,
        "method": method,
        "policies": len(returns),
        **mean_with_ends("return", returns),
        "solved": int(np.sum(returns >= level)),
        "parameter_bits": found.bits if spent is None else spent.parameter_bits,
        "additions": None if spent is None else spent.additions,
        "multiplications": None if spent is None else spent.multiplications,
        "spikes": found.spikes,
        "writes": found.writes,
        "energy": None if spent is None else spent.energy,
        "array_energy": found.array_energy,
        "truenorth_energy": None if found.events is None else joules(found.events),
        "write_energy": found.write_energy,
    }


def claims(rows: list[Row]) -> list[Claim]:
    """Return what the paper leaves to do beside what was measured."""
    said = [
        f"{row['row']}: return {row['return']:.0f}, {row['parameter_bits']:,.0f} bits, "
        f"{(row['energy'] if row['network'] == 'dense' else row['array_energy']):.2e} J"
        for row in rows
        if row["method"] in ("full", "2-bit")
    ]
    asked = '"the number of multiplications and additions per policy action, size of policy parameters, and estimated power" (left as future work)'
    return [Claim(asked, "section V, read", "; ".join(said))]
