"""The cells of `benchmarks.peers_table`: who is measured, at which sizes, and what cannot be measured, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks import workload as wl


@dataclass(frozen=True)
class Column:
    """One size.

    Parameters
    ----------
    name, title : str
    agents, scale : int
        See `workload.Size`.
    block : int
        Environment steps from one start to the next, the same for everybody: fewer where a dt takes long.
    blocks : int
        Blocks in one call of Brian2's standalone binary, whose length is compiled in.
    """

    name: str
    title: str
    agents: int
    scale: int
    block: int
    blocks: int = 1

    @property
    def synapses(self) -> int:
        """Plastic synapses of all agents together."""
        return self.agents * wl.N_INPUTS * wl.N_OUTPUTS * self.scale**2

    def options(self) -> dict[str, str]:
        """Return the options that every peer reads."""
        return {name: str(getattr(self, name)) for name in ("agents", "scale", "block", "blocks")}


COLUMNS = (
    Column("1", "1 agent", 1, 1, wl.RESTORE_EVERY, 6),
    Column("64", "64 agents", 64, 1, 50, 2),
    Column("1024", "1024 agents", 1024, 1, 10),
    Column("10x", "10x neurons", 1, 10, 30, 2),
    Column("100x", "100x neurons", 1, 100, 4),
)
CUDA_COLUMNS = (
    Column("1024", "1024 agents", 1024, 1, 20),
    Column("65536", "65,536 agents", 65536, 1, 5),
)

ONE_AGENT = "its learner knows one layer without a batch and a scalar reward"
MODELS = "one synapse model per agent's dopamine; this NEST holds 511 models"
HANDLES = (
    "its 64,000,000 synapses with the handles that put their weights back would take about 190 GiB, "
    "as 640,000 take 1.9 GiB"
)


@dataclass(frozen=True)
class Contender:
    """A peer with its options: one row.

    Parameters
    ----------
    name, title : str
        For the command line and for tables and figure.
    peer : str
        As in `peers.interface.NAMES`.
    environment : str
        Name in `environments.RECIPES`, or nothing for the interpreter that runs this.
    family : str
        Contenders of one family share a colour.
    published : mapping from column to number
        Microseconds per dt in facts/peers.md, measured on another day.
    cannot : mapping from column to reason
        Cells that are not tried.
    note : str
        What a reader has to know to compare.
    """

    name: str
    title: str
    peer: str
    options: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    family: str = ""
    published: Mapping[str, str] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def learns(self) -> bool:
        """Whether it has the plasticity of the workload."""
        return self.options.get("rule") != "none"


def _published(*numbers: str) -> dict[str, str]:
    """Name the numbers of a row of facts/peers.md by column."""
    return {column.name: number for column, number in zip(COLUMNS, numbers, strict=False) if number}


SHARED = "One set of weights for the whole batch, updates averaged: less work than weights of one's own."
REFRACTORY = "Has no refractory period; the workload's is added by hand."
FORWARD = {"rule": "none"}
ONE_WEIGHTS = "One set of weights for the whole batch."

LEARNING = (
    Contender(
        "bindsnet", "BindsNET", "bindsnet", family="bindsnet",
        published=_published("94", "670", "14,700", "1,142", "553,500"), note=SHARED,
    ),
    Contender(
        "nest", "NEST", "nest", environment="nest", family="nest",
        published=_published("193", "7,900", "", "4,400"),
        cannot={"1024": MODELS, "100x": HANDLES},
        note="stdp_dopamine_synapse: the TD error comes as dopamine spikes that decay within 10 ms, and reaches into "
        "the environment step after its own; one call of the simulator per environment step.",
    ),
    Contender(
        "spikingjelly", "SpikingJelly", "spikingjelly", environment="torch-libraries", family="spikingjelly",
        published=_published("118", "", "", "1,900"),
        cannot={"64": ONE_AGENT, "1024": ONE_AGENT},
        note=f"MSTDPETLearner; its eligibility comes one dt later. {REFRACTORY}",
    ),
    Contender(
        "brian2-cython", "Brian2 cython", "brian2_cython", family="brian2",
        published=_published("39", "1,166", "18,460", "1,808", "207,700"),
        note="The closed loop is a network_operation; plasticity as equations, as in Brian2's documentation.",
    ),
    Contender(
        "brian2", "Brian2 standalone", "brian2", {"style": "equations"}, family="brian2",
        published=_published("5.6", "504", "10,550", "770", "68,200"),
        note="C++, cart-pole as equations, plasticity as equations; timed inside the binary.",
    ),
    Contender(
        "brian2-tuned", "Brian2 tuned", "brian2", {"style": "tuned"}, family="brian2",
        note="C++ standalone; exact solution of the plasticity by hand, one pass over the synapses per dt.",
    ),
    Contender(
        "torch-eager", "PyTorch eager", "torch", {"style": "eager"}, family="torch",
        published=_published("38", "261", "6,610", "281", "61,800"),
        note="By hand: the dt as in-place tensor operations, weights of one's own.",
    ),
    Contender(
        "torch-compiled", "PyTorch compiled", "torch", {"style": "compiled"}, family="torch",
        published=_published("17.5", "158", "15,600", "172", "261,900"),
        note="The same function through torch.compile.",
    ),
    Contender(
        "jax", "JAX", "jax", environment="jax", family="jax",
        published=_published("2.4", "113", "3,300", "150", "39,600"),
        note="By hand: everything, the cart-pole too, in one jitted scan; agents by vmap.",
    ),
    Contender(
        "snnrl-torch", "snnrl torch", "snnrl", {"engine": "torch", "dtype": "float32"}, family="snnrl",
        note="snnrl's torch engine on the CPU, float32.",
    ),
    Contender(
        "snnrl-general", "snnrl general", "snnrl", {"path": "general", "dtype": "float32"}, family="snnrl",
        note="Engine fast on the path that free text takes, float32.",
    ),
    Contender(
        "snnrl-float64", "snnrl float64", "snnrl", {"path": "windowed", "dtype": "float64"}, family="snnrl",
        note="Engine fast, windowed, float64.",
    ),
    Contender(
        "snnrl", "snnrl", "snnrl", {"path": "windowed", "dtype": "float32"}, family="snnrl",
        published=_published("0.118", "7.1", "113", "6.0", "2,170"),
        note="Engine fast, windowed, float32. The published line is the trial program in C, the goal of the kernel.",
    ),
)  # fmt: skip

FORWARD_ONLY = (
    Contender("bindsnet-forward", "BindsNET", "bindsnet", FORWARD, family="bindsnet", published={"1": "43"}, note=ONE_WEIGHTS),
    Contender(
        "nest-forward", "NEST", "nest", FORWARD, "nest", "nest", {"1": "223"},
        note="static_synapse; one call of the simulator per environment step.",
    ),
    Contender(
        "spikingjelly-forward", "SpikingJelly", "spikingjelly", FORWARD, "torch-libraries", "spikingjelly",
        {"1": "27-47"}, note=REFRACTORY,
    ),
    Contender(
        "norse", "Norse", "norse", FORWARD, "torch-libraries", "norse", {"1": "42"},
        note="LIFRefracCell, which has the refractory period; no reward-gated plasticity.",
    ),
    Contender(
        "snntorch", "snnTorch", "snntorch", FORWARD, "torch-libraries", "snntorch", {"1": "62"},
        note=f"Leaky; no reward-gated plasticity. {REFRACTORY}",
    ),
    Contender(
        "snnrl-forward", "snnrl", "snnrl", {**FORWARD, "dtype": "float32"}, family="snnrl",
        note="Engine fast, float32, fixed weights.",
    ),
)  # fmt: skip

CUDA = {"device": "cuda"}
ON_CUDA = (
    Contender("bindsnet", "BindsNET", "bindsnet", CUDA, family="bindsnet", note=SHARED),
    Contender("torch-eager", "PyTorch eager", "torch", {"style": "eager", **CUDA}, family="torch"),
    Contender("torch-compiled", "PyTorch compiled", "torch", {"style": "compiled", **CUDA}, family="torch"),
    Contender("jax", "JAX", "jax", CUDA, environment="jax-cuda", family="jax"),
    Contender(
        "snnrl-torch", "snnrl torch", "snnrl", {"engine": "torch", "dtype": "float32", **CUDA}, family="snnrl"
    ),
)

CONTENDERS = LEARNING + FORWARD_ONLY


@dataclass(frozen=True)
class Cell:
    """One row at one size."""

    contender: Contender
    column: Column

    @property
    def key(self) -> str:
        """Name in a file of results."""
        return f"{self.contender.name}/{self.column.name}"

    @property
    def title(self) -> str:
        """Name for progress lines."""
        return f"{self.contender.name} at {self.column.title}"

    def options(self) -> dict[str, str]:
        """Return what the peer is built with."""
        return {**self.column.options(), **self.contender.options}


def cells(contenders: tuple[Contender, ...], columns: tuple[Column, ...]) -> list[Cell]:
    """Return all cells, small sizes first: what is left when time runs out is what takes longest."""
    return [Cell(contender, column) for column in columns for contender in contenders]
