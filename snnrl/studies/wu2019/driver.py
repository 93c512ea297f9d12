"""The part of the crossbar kernels that walks lanes through agents and trials: the same for every shape.

``advance`` runs agents that learn: all lanes take one step of all their learners, then weights change once. A lane
whose agent has finished takes the next agent of its queue. ``play`` runs trials with fixed weights; there a lane is one
trial of one agent. ``replay`` learns from stored samples. Nothing here allocates, so that nothing need count references
to arrays, which was two fifths of the time of ``play``.
"""

from __future__ import annotations

from snnrl.engines.fast.cache import NO_COUNTING
from snnrl.networks.crossbar_agent import DISCOUNT_STEP, DISCOUNT_TRIALS
from snnrl.plasticity.crossbar_random import casr_seed, lfsr_seed
from snnrl.tasks import source_of

COUNTED = """
NEW_EACH_TRIAL = True
start_draws = step_key
"""
"""Random numbers that count from the trial's own key."""


def registers() -> str:
    """Give the text of random numbers that run on from trial to trial: both registers set from an agent's key."""
    words = ", ".join(f"np.int64(bits(low, high, {i}))" for i in range(4))
    return f"""
NEW_EACH_TRIAL = False


@njit(nogil=True, {NO_COUNTING})
{source_of(lfsr_seed)}


@njit(nogil=True, {NO_COUNTING})
{source_of(casr_seed)}


@njit(nogil=True, {NO_COUNTING})
def start_draws(base, trial):
    low, high = step_key(base, trial)
    a, b, c, d = {words}
    return lfsr_seed(a, b), casr_seed(c, d)
"""


DRIVER = f'''

@njit(nogil=True, {NO_COUNTING})
def begin(l, k, agent, trial, new, bases, starts, state, t, low, high):
    """Put learner k of lane l at the start of a trial, drawn from the set of starts; new: its random numbers too."""
    first, second = step_key(bases[1, k, agent], trial)
    chosen = int((np.uint64(bits(first, second, 0)) * np.uint64(starts.shape[0])) >> np.uint64(32))
    for i in range(starts.shape[1]):
        state[k, i * L + l] = starts[chosen, i]
    t[k, l] = 0
    if new:
        low[k, l], high[k, l] = start_draws(bases[0, k, agent], trial)


@njit(nogil=True, {NO_COUNTING})
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


@njit(nogil=True, {NO_COUNTING})
def keep(l, agent, reached, w, writes, tally, weights_out, tallies_out, writes_out):
    """Store what an agent has become at a checkpoint: updates, steps, trials, successes."""
    for k in range(weights_out.shape[2]):
        weights_out[agent, reached, k] = w[k * L + l]
        if writes_out.shape[0] > 0:
            writes_out[agent, reached, k] = writes[k * L + l]
    for i in range(4):
        tallies_out[agent, reached, i] = tally[i, l]


@njit(nogil=True, {NO_COUNTING})
def ended(failed, t, longest):
    """Count the lanes whose trial is over; among them lanes without an agent."""
    count = 0
    for l in range(L):
        count += 1 if failed[l] != 0 or t[l] >= longest else 0
    return count


@njit(nogil=True, {NO_COUNTING})
def add_up(values):
    """Return the sum over the lanes."""
    total = real(0.0)
    for l in range(L):
        total += values[l]
    return total


@njit(nogil=True, {NO_COUNTING})
def adjust(l, numbers, gamma, tally, rule):
    """Lower the discount rate of a lane after {DISCOUNT_TRIALS} trials with too few successes; rule is wins, gamma."""
    if numbers[VARIABLE] == 0 or tally[2, l] % {DISCOUNT_TRIALS} != 0:
        return
    if rule[0, l] / {float(DISCOUNT_TRIALS)} < numbers[VARIABLE]:
        rule[1, l] = max(rule[1, l] - {DISCOUNT_STEP}, 0.0)
        gamma[l] = rule[1, l]
    rule[0, l] = 0.0


@njit(nogil=True, cache=True, {NO_COUNTING}error_model='numpy')
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
                        begin(l, k, agent, 0, True, bases, starts, state, t, low, high)
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
                begin(l, k, agent, trials[k, l], NEW_EACH_TRIAL, bases, starts, state, t, low, high)
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


@njit(nogil=True, cache=True, {NO_COUNTING}error_model='numpy')
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
                    begin(l, 0, agent, agent_of[l] - agent * per_agent, True, bases, starts, state, t, low, high)
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


@njit(nogil=True, cache=True, {NO_COUNTING}error_model='numpy')
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
