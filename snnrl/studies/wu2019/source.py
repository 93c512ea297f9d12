"""Source of the crossbar kernels: many agents side by side in SIMD lanes, from the text of task and network.

Element i of lane l stands at ``i*L + l`` of an array, so that lane loops read and write whole vectors. ``advance`` runs agents that learn:
all lanes take one step of all their learners, then weights change once. A lane whose agent has finished takes the
next agent of its queue. ``play`` runs trials with fixed weights; there a lane is one trial of one agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.engines.fast.cache import NO_COUNTING, NOALIAS, allow_noalias
from snnrl.engines.fast.render import Source
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.crossbar_agent import DISCOUNT_STEP, DISCOUNT_TRIALS
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
    dtype: str

    @classmethod
    def of(cls, network: CrossbarActorCritic, n_inputs: int, dtype: str) -> Shape:
        """Return the shape of a network's kernel."""
        return cls(
            n_inputs,
            network.hidden,
            network.shared,
            network.signed,
            network.rule != "exact",
            network.rule == "manhattan",
            network.adc_bits > 0,
            dtype,
        )


def kernel_source(shape: Shape) -> str:
    """Return the module of a kernel."""
    out = Source()
    out.lines += head(shape.dtype).splitlines()
    out.add("", f"L = {LANES}")
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
        body.append("draw = uniform(low[l], high[l], t[l])")
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


DRIVER = f'''

@njit(nogil=True)
def begin(l, k, agent, trial, bases, starts, state, t, low, high):
    """Put learner k of lane l at the start of a trial, drawn from the set of starts."""
    first, second = step_key(bases[1, k, agent], trial)
    chosen = int((np.uint64(bits(first, second, 0)) * np.uint64(starts.shape[0])) >> np.uint64(32))
    for i in range(starts.shape[1]):
        state[k, i * L + l] = starts[chosen, i]
    t[k, l] = 0
    low[k, l], high[k, l] = step_key(bases[0, k, agent], trial)


@njit(nogil=True)
def take(l, agent, weights, devices, worlds, w, plus, minus, speed, writes, p):
    """Load an agent into a lane."""
    for i in range(worlds.shape[1]):
        p[i * L + l] = worlds[agent, i]
    for k in range(weights.shape[1]):
        i = k * L + l
        w[i] = weights[agent, k]
        if devices.shape[0] > 0:
            plus[i], minus[i] = real(0.5) * w[i], -real(0.5) * w[i]
            writes[i] = 0
            for j in range(4):
                speed[j * w.shape[0] + i] = devices[agent, j, k]


@njit(nogil=True)
def keep(l, agent, reached, w, writes, tally, weights_out, tallies_out, writes_out):
    """Store what an agent has become at a checkpoint: updates, steps, trials, successes."""
    for k in range(weights_out.shape[2]):
        weights_out[agent, reached, k] = w[k * L + l]
        if writes_out.shape[0] > 0:
            writes_out[agent, reached, k] = writes[k * L + l]
    for i in range(4):
        tallies_out[agent, reached, i] = tally[i, l]


@njit(nogil=True)
def ended(failed, t, longest):
    """Count the lanes whose trial is over; among them lanes without an agent."""
    count = 0
    for l in range(L):
        count += 1 if failed[l] != 0 or t[l] >= longest else 0
    return count


@njit(nogil=True)
def add_up(values):
    """Return the sum over the lanes."""
    total = real(0.0)
    for l in range(L):
        total += values[l]
    return total


@njit(nogil=True)
def adjust(l, numbers, gamma, tally, rule):
    """Lower the discount rate of a lane after {DISCOUNT_TRIALS} trials with too few successes; rule is wins, gamma."""
    if numbers[VARIABLE] == 0 or tally[2, l] % {DISCOUNT_TRIALS} != 0:
        return
    if rule[0, l] / {float(DISCOUNT_TRIALS)} < numbers[VARIABLE]:
        rule[1, l] = max(rule[1, l] - {DISCOUNT_STEP}, 0.0)
        gamma[l] = rule[1, l]
    rule[0, l] = 0.0


@njit(nogil=True, cache=True, error_model='numpy')
def advance(budget, limits, marks, queue, agent_of, reached, tally, trials, rule, weights, devices, worlds, bases, starts,
            weights_out, tallies_out, writes_out, lengths, state, t, low, high, x, ahead, y, later, z, seen, surprise,
            failed, learns, learnt, w, p, active, gate, gamma, change, plus, minus, speed, writes, inverse, numbers):
    """Run lanes that learn for some steps; limits are trial length, trials and learners; marks end an agent's parts."""
    longest, most_trials, by_steps, learners = limits[0], limits[1], limits[2], limits[3]
    taken = 0
    busy = 0
    refill = True
    for step in range(budget):
        if refill:
            refill = False
            busy = 0
            for l in range(L):
                if agent_of[l] < 0 and queue[0] < queue[1]:
                    agent = queue[0]
                    queue[0] += 1
                    agent_of[l], reached[l], active[l], gamma[l] = agent, 0, real(1.0), numbers[GAMMA]
                    gate[l] = numbers[GATE] if numbers[GATE] > 0 and numbers[GATE_AFTER] == 0 else real(-1.0)
                    rule[0, l], rule[1, l] = 0.0, numbers[GAMMA]
                    for i in range(4):
                        tally[i, l] = 0
                    take(l, agent, weights, devices, worlds, w, plus, minus, speed, writes, p)
                    for k in range(learners):
                        trials[k, l] = 0
                        begin(l, k, agent, 0, bases, starts, state, t, low, high)
                busy += agent_of[l] >= 0
        if busy == 0:
            break
        taken += busy
        for l in range(L):
            learnt[l] = real(0.0)
        for k in range(learners):
            act(state[k], t[k], low[k], high[k], x[k], ahead[k], z[k], seen, surprise[k], failed[k], learns[k], w, p,
                active, gate, inverse, numbers)
            for l in range(L):
                learnt[l] = max(learnt[l], learns[k, l])
        if add_up(learnt) > 0:
            for k in range(learners):
                gather(x[k], ahead[k], y, later, z[k], surprise[k], failed[k], learns[k], w, change, gamma, numbers)
            apply(w, change, plus, minus, speed, writes, numbers)
        ends = by_steps
        for k in range(learners):
            ends += ended(failed[k], t[k], longest)
        for l in range(L):
            tally[0, l] += learnt[l] > 0
            tally[1, l] += 1
        if ends == 0:
            continue
        for l in range(L):
            agent = agent_of[l]
            if agent < 0:
                continue
            for k in range(learners):
                if failed[k, l] == 0 and t[k, l] < longest:
                    continue
                won = failed[k, l] == 0
                if tally[2, l] < lengths.shape[1]:
                    lengths[agent, tally[2, l]] = t[k, l]
                tally[2, l] += 1
                tally[3, l] += won
                rule[0, l] += won
                trials[k, l] += 1
                if numbers[GATE] > 0 and tally[3, l] >= numbers[GATE_AFTER]:
                    gate[l] = numbers[GATE]
                adjust(l, numbers, gamma, tally, rule)
                begin(l, k, agent, trials[k, l], bases, starts, state, t, low, high)
            done = tally[1, l] if by_steps else tally[3, l]
            over = tally[2, l] >= most_trials
            while reached[l] < marks.shape[0] and (over or done >= marks[reached[l]]):
                keep(l, agent, reached[l], w, writes, tally, weights_out, tallies_out, writes_out)
                reached[l] += 1
            if reached[l] == marks.shape[0]:
                agent_of[l] = -1
                active[l] = real(0.0)
                refill = True
    return taken


@njit(nogil=True, cache=True, error_model='numpy')
def play(budget, limits, queue, agent_of, weights, worlds, bases, starts, lengths, state, t, low, high, x, ahead, z, seen,
         surprise, failed, learns, w, p, active, gate, inverse, numbers, empty, pairs):
    """Run trials with fixed weights, lengths.shape[1] for every agent; job = agent * trials + trial."""
    longest, per_agent = limits[0], lengths.shape[1]
    taken = 0
    busy = 0
    refill = True
    for step in range(budget):
        if refill:
            refill = False
            busy = 0
            for l in range(L):
                if agent_of[l] < 0 and queue[0] < queue[1]:
                    agent_of[l] = queue[0]
                    queue[0] += 1
                    agent = agent_of[l] // per_agent
                    take(l, agent, weights, empty, worlds, w, pairs, pairs, pairs, pairs, p)
                    begin(l, 0, agent, agent_of[l] - agent * per_agent, bases, starts, state, t, low, high)
                busy += agent_of[l] >= 0
        if busy == 0:
            break
        taken += busy
        act(state[0], t[0], low[0], high[0], x[0], ahead[0], z[0], seen, surprise[0], failed[0], learns[0], w, p, active,
            gate, inverse, numbers)
        if ended(failed[0], t[0], longest) == 0:
            continue
        for l in range(L):
            if agent_of[l] >= 0 and (failed[0, l] != 0 or t[0, l] >= longest):
                agent = agent_of[l] // per_agent
                lengths[agent, agent_of[l] - agent * per_agent] = t[0, l]
                agent_of[l] = -1
                refill = True
    return taken


@njit(nogil=True, cache=True, error_model='numpy')
def replay(count, behaviour, bases, samples, followers, actions, failures, x, ahead, y, later, z, surprise, failed,
           learns, w, action, gamma, change, plus, minus, speed, writes, numbers):
    """Learn off policy: every lane draws ``count`` samples (inputs, next inputs, action, failure), one per update."""
    for step in range(count):
        for l in range(L):
            first, second = step_key(bases[l], step)
            chosen = int((np.uint64(bits(first, second, 0)) * np.uint64(samples.shape[0])) >> np.uint64(32))
            for i in range(samples.shape[1]):
                x[i * L + l] = samples[chosen, i]
                ahead[i * L + l] = followers[chosen, i]
            action[l] = actions[chosen]
            failed[l] = failures[chosen]
        score(action, x, z, surprise, learns, w, behaviour, numbers)
        gather(x, ahead, y, later, z, surprise, failed, learns, w, change, gamma, numbers)
        apply(w, change, plus, minus, speed, writes, numbers)
'''
