"""Source of the crossbar kernels: many agents side by side in SIMD lanes, from the text of task and network.

Element i of lane l stands at ``i*L + l`` of an array, so that lane loops read and write whole vectors. The functions
that call these loops are in ``driver``.
"""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.engines.fast.cache import NO_COUNTING, NOALIAS, allow_noalias
from snnrl.engines.fast.render import Source
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.crossbar_equations import (
    digitised,
    hidden_layer,
    importance,
    layer_change,
    output_neuron,
    push_probability,
    td_error,
)
from snnrl.plasticity.crossbar import lowered, raised
from snnrl.plasticity.crossbar_random import casr_step, lfsr_step
from snnrl.studies.wu2019.driver import COUNTED, DRIVER, registers
from snnrl.studies.wu2019.lanes import LANES, inlined
from snnrl.studies.wu2019.library import head
from snnrl.tasks import RotaryPendulum

FAST_MATH = "{'contract'}"
"""What float32 kernels allow LLVM: fused multiply-add. More (reordering sums) would make the numbers depend on whether
a kernel was compiled or came from the cache."""


@dataclass(frozen=True)
class Shape:
    """What a kernel's text depends on; all numbers are handed to it when it runs.

    Parameters
    ----------
    n_inputs, hidden, shared, signed
        Of the network.
    pulses
        Whether weights are pairs of conductances changed by pulses (else numbers changed exactly).
    manhattan
        Whether a pulse has a fixed size (else that of equation 5).
    adc
        Whether probabilities are rounded.
    hardware_random
        Whether the bytes that actions are drawn with are those of shift register and cellular automaton.
    dtype
        "float32" or "float64".
    """

    n_inputs: int
    hidden: int
    shared: bool
    signed: bool
    pulses: bool
    manhattan: bool
    adc: bool
    hardware_random: bool
    dtype: str

    @classmethod
    def of(
        cls, network: CrossbarActorCritic, n_inputs: int, dtype: str, hardware_random: bool = False
    ) -> Shape:
        """Return the shape of a network's kernel."""
        return cls(
            n_inputs,
            network.hidden,
            network.shared,
            network.signed,
            network.rule != "exact",
            network.rule == "manhattan",
            network.adc_bits > 0,
            hardware_random,
            dtype,
        )


def kernel_source(shape: Shape) -> str:
    """Return the module of a kernel."""
    out = Source()
    out.lines += head(shape.dtype).splitlines()
    out.add("", f"L = {LANES}")
    out.lines += (registers() if shape.hardware_random else COUNTED).splitlines()
    writer = _Writer(shape, out)
    writer.act()
    writer.gather()
    writer.apply()
    writer.score()
    out.lines += DRIVER.splitlines()
    return out.text()


class _Writer:
    """Writes the functions that consist of lane loops."""

    def __init__(self, shape: Shape, out: Source) -> None:
        self.shape, self.out = shape, out
        self.place = CrossbarActorCritic(hidden=shape.hidden, shared=shape.shared).places(shape.n_inputs)
        self.sizes = {"n_inputs": shape.n_inputs, "n_hidden": shape.hidden}
        promise = NOALIAS if allow_noalias() else ""
        fast = f"fastmath={FAST_MATH}, " if shape.dtype == "float32" else ""
        self.decorator = f"@njit(nogil=True, {NO_COUNTING}{promise}{fast}error_model='numpy')"

    def _function(self, name: str, parameters: str, body: list[str], before: list[str]) -> None:
        self.out.add("", "", self.decorator)
        with self.out.block(f"def {name}({parameters}):"):
            self.out.add(*before)
            with self.out.block("for l in range(L):"):
                self.out.add(*body)

    def _hidden(self, inputs: str, outputs: str, first: int) -> list[str]:
        names: dict[str, str | int] = {"w": "w", "x": inputs, "y": outputs, "first": first, **self.sizes}
        return inlined(hidden_layer, names)

    def _output(self, outputs: str, first: int, result: str) -> list[str]:
        names: dict[str, str | int] = {"w": "w", "y": outputs, "first": first, "n_hidden": self.shape.hidden}
        return inlined(output_neuron, names, result)

    def _sense(self, result: str) -> list[str]:
        """Give the network's inputs for the present state."""
        kernel = RotaryPendulum().kernel()
        lines = inlined(kernel.observe, {"state": "state", "observation": "seen", "p": "p"})
        observed = self.shape.n_inputs - 1
        lines += [
            f"{result}[{j * LANES} + l] = seen[{j * LANES} + l] * inverse[{j}]" for j in range(observed)
        ]
        return [*lines, f"{result}[{observed * LANES} + l] = numbers[BIAS]"]

    def act(self) -> None:
        """Write ``act``: sense, draw an action, push, and note whether the trial failed."""
        body = self._sense("x")
        body += self._hidden("x", "z", self.place.actor_hidden)
        body += self._output("z", self.place.actor_output, "total")
        body += inlined(push_probability, {"total": "total", "slope": "numbers[SLOPE]"}, "chance")
        body += self._draw()
        if self.shape.adc:
            body += inlined(digitised, {"value": "chance", "levels": "numbers[LEVELS]"}, "chance")
            body.append("draw = floor(draw * (numbers[LEVELS] + real(1.0))) / numbers[LEVELS]")
        body += ["action = 1 if draw < chance else 0", "surprise[l] = real(action) - chance"]
        step = RotaryPendulum().kernel().step
        body += inlined(step, {"state": "state", "action": "action", "p": "p"}, "fallen")
        body += ["failed[l] = 1 if fallen else 0", "t[l] += 1", *self._sense("ahead")]
        body.append("learns[l] = active[l] if abs(surprise[l]) > gate[l] else real(0.0)")
        self._function(
            "act",
            "state, t, low, high, x, ahead, z, seen, surprise, failed, learns, w, p, active, gate, inverse, numbers",
            body,
            ["# one step of one learner of every lane"],
        )

    def _draw(self) -> list[str]:
        """Draw a number in [0, 1); ``low`` and ``high`` are the two halves of a key, or the two registers."""
        if not self.shape.hardware_random:
            return ["draw = uniform(low[l], high[l], t[l])"]
        lines = inlined(lfsr_step, {"state": "low[l]"}, "low[l]")
        lines += inlined(casr_step, {"state": "high[l]"}, "high[l]")
        return [*lines, "draw = real((low[l] ^ high[l]) & 255) / real(256.0)"]

    def gather(self) -> None:
        """Write ``gather``: add what equation 5 asks for after the last step of one learner."""
        place = self.place
        body = self._hidden("x", "y", place.critic_hidden) + self._output("y", place.critic_output, "value")
        body += self._hidden("ahead", "later", place.critic_hidden)
        body += self._output("later", place.critic_output, "following")
        names: dict[str, str | int] = {
            "failed": "(failed[l] != 0)",
            "gamma": "gamma[l]",
            "value": "value",
            "next_value": "following",
        }
        body += inlined(td_error, names, "error")
        body.append("error = error * learns[l]")
        body += self._change("y", place.critic_hidden, place.critic_output, "error", "CRITIC")
        body.append("error = error * surprise[l]")
        hidden = "y" if self.shape.shared else "z"
        body += self._change(hidden, place.actor_hidden, place.actor_output, "error", "ACTOR")
        self._function(
            "gather",
            "x, ahead, y, later, z, surprise, failed, learns, w, change, gamma, numbers",
            body,
            ["# equation 5 of one learner of every lane"],
        )

    def score(self) -> None:
        """Write ``score``: for stored actions, q - p and the importance weight (equation 6)."""
        body = self._hidden("x", "z", self.place.actor_hidden)
        body += self._output("z", self.place.actor_output, "total")
        body += inlined(push_probability, {"total": "total", "slope": "numbers[SLOPE]"}, "chance")
        body.append("surprise[l] = real(action[l]) - chance")
        names: dict[str, str | int] = {"chance": "chance", "action": "action[l]", "behaviour": "behaviour"}
        body += inlined(importance, names, "learns[l]")
        parameters = "action, x, z, surprise, learns, w, behaviour, numbers"
        self._function("score", parameters, body, ["# one stored sample of every lane"])

    def _change(self, outputs: str, hidden: int, output: int, error: str, rates: str) -> list[str]:
        names: dict[str, str | int] = {
            "w": "w",
            "x": "x",
            "y": outputs,
            "change": "change",
            "hidden": hidden,
            "output": output,
            "error": error,
            "rate": f"numbers[{rates}_RATE]",
            "hidden_rate": f"numbers[{rates}_HIDDEN_RATE]",
            "signed": int(self.shape.signed),
            **self.sizes,
        }
        return inlined(layer_change, names, prefix=f"{rates.lower()}_")

    def apply(self) -> None:
        """Write ``apply``: change the weights by the rule, and forget the wanted change."""
        self.out.add("", "", self.decorator)
        with self.out.block("def apply(w, change, plus, minus, speed, writes, numbers):"):
            self.out.add("w_max = numbers[W_MAX]", "half = real(0.5) * w_max")
            with self.out.block(f"for i in range({self.place.size} * L):"):
                self.out.add(*(self._pulses() if self.shape.pulses else self._exact()))
                self.out.add("change[i] = real(0.0)")

    @staticmethod
    def _exact() -> list[str]:
        return ["w[i] = min(max(w[i] + change[i], -w_max), w_max)"]

    def _pulses(self) -> list[str]:
        """Set one device of a pair and reset the other; speed is set plus, set minus, reset plus, reset minus."""
        size = "real(0.5) * numbers[STEP]" if self.shape.manhattan else "real(0.5) * abs(change[i])"
        bounds: dict[str, str | int] = {"saturation": "numbers[SATURATION]", "half": "half"}
        lines = [
            "wanted = change[i]",
            f"size = {size}",
            "rise = size if wanted > real(0.0) else real(0.0)",
            "fall = size if wanted < real(0.0) else real(0.0)",
            "up = plus[i]",
            "down = minus[i]",
        ]
        for side, first, second in (("up", "rise", "fall"), ("down", "fall", "rise")):
            at = [f"speed[i + {j * self.place.size * LANES}]" for j in ((0, 2) if side == "up" else (1, 3))]
            gain, loss = f"({first} * {at[0]})", f"({second} * {at[1]})"
            lines += inlined(raised, {"u": side, "amount": gain, **bounds}, "moved")
            lines += inlined(lowered, {"u": "moved", "amount": loss, **bounds}, side)
        return [
            *lines,
            "plus[i] = up",
            "minus[i] = down",
            "w[i] = up - down",
            "writes[i] += 1 if wanted != real(0.0) else 0",
        ]
