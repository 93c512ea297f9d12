"""The workload as Brian2 equations: the cart-pole, the encoder, the neurons and the plasticity."""

from __future__ import annotations

from dataclasses import dataclass

CART_EQUATIONS = """
x : 1
x_dot : 1
theta : 1
theta_dot : 1
left : 1
right : 1
critic_spikes : 1
critic : 1
value : 1
td_error : 1
decisions : 1
steps : 1
episodes : 1
"""

# Gymnasium's CartPole-v1 with its explicit Euler step of 20 ms, then the TD error. At t = 0 it runs
# once on zero spikes, which only moves the random start.
ENVIRONMENT_STEP = """
decisions += 1
action = int(right > left) + int(right == left)*(decisions % 2)
force = 20*action - 10
temp = (force + 0.05*theta_dot**2*sin(theta))/1.1
theta_acc = (9.8*sin(theta) - cos(theta)*temp)/(0.5*(4.0/3.0 - 0.1*cos(theta)**2/1.1))
x_acc = temp - 0.05*theta_acc*cos(theta)/1.1
x += 0.02*x_dot
x_dot += 0.02*x_acc
theta += 0.02*theta_dot
theta_dot += 0.02*theta_acc
steps += 1
terminated = int(abs(x) > 2.4 or abs(theta) > 0.20943951023931953)
over = int(terminated + int(steps >= max_steps) > 0)
critic = critic*value_decay + critic_spikes/n_critic
new_value = (1 - terminated)*value_scale*critic
td_error = terminated*failure_reward + discount*new_value - value
value = new_value
episodes += over
steps = (1 - over)*steps
x = over*(0.1*rand() - 0.05) + (1 - over)*x
x_dot = over*(0.1*rand() - 0.05) + (1 - over)*x_dot
theta = over*(0.1*rand() - 0.05) + (1 - over)*theta
theta_dot = over*(0.1*rand() - 0.05) + (1 - over)*theta_dot
left = 0
right = 0
critic_spikes = 0
"""

RESTORE_CART = """
x = 0.1*rand() - 0.05
x_dot = 0.1*rand() - 0.05
theta = 0.1*rand() - 0.05
theta_dot = 0.1*rand() - 0.05
steps = 0
critic = 0
value = 0
td_error = 0
"""

INPUT_RATES = """
probability : 1
spike_count : 1
"""

INPUT_EQUATIONS = (
    INPUT_RATES
    + """
centre : 1 (constant)
width : 1 (constant)
of_x : 1 (constant)
of_x_dot : 1 (constant)
of_theta : 1 (constant)
of_theta_dot : 1 (constant)
x : 1 (linked)
x_dot : 1 (linked)
theta : 1 (linked)
theta_dot : 1 (linked)
"""
)
ENCODE = """
observed = of_x*x + of_x_dot*x_dot + of_theta*theta + of_theta_dot*theta_dot
probability = peak*exp(-0.5*((observed - centre)/width)**2)
"""

OUTPUT_EQUATIONS = """
dv/dt = -v/tau_membrane : 1
spike_count : 1
is_left : 1 (constant)
is_right : 1 (constant)
is_critic : 1 (constant)
"""


@dataclass(frozen=True)
class Style:
    """One way to write the same plasticity in Brian2."""

    equations: str
    on_pre: str
    on_post: str
    every_dt: str
    restore: str = "eligibility = 0"
    neuron_trace: str = ""

    @property
    def neuron_reset(self) -> str:
        """Statements that a spike adds to the reset of its neuron."""
        return "\nrecent += 1" if self.neuron_trace else ""

    @property
    def neuron_restore(self) -> str:
        """Statements that put the trace of a neuron back to its start."""
        return "\nrecent = 0" if self.neuron_trace else ""


STYLES = {
    # As Brian2's documentation writes STDP (a trace per synapse, event-driven) and its example of
    # dopamine-modulated STDP (eligibility and weight as clock-driven differential equations).
    "equations": Style(
        equations="""
        dw/dt = learning_rate*td_error*eligibility/ms : 1 (clock-driven)
        deligibility/dt = -eligibility/tau_eligibility : 1 (clock-driven)
        dapre/dt = -apre/tau_trace : 1 (event-driven)
        dapost/dt = -apost/tau_trace : 1 (event-driven)
        """,
        on_pre="v_post += gain*w; apre += 1; eligibility -= apost",
        on_post="apost += 1; eligibility += apre",
        every_dt="w = clip(w, w_min, w_max)",
        restore="eligibility = 0; apre = 0; apost = 0",
    ),
    # Tuned by hand: a trace per neuron, and the exact solution of eligibility and weight written out
    # so that Brian2 passes once over the synapses in each dt. A trace grows at the reset, after the
    # synapses: a pair that fires together adds and subtracts nothing.
    "tuned": Style(
        equations="""
        w : 1
        eligibility : 1
        """,
        on_pre="v_post += gain*w; eligibility -= recent_post",
        on_post="eligibility += recent_pre",
        every_dt="""
        w = clip(w + learning_rate*td_error*eligibility, w_min, w_max)
        eligibility *= eligibility_decay
        """,
        neuron_trace="\ndrecent/dt = -recent/tau_trace : 1",
    ),
}
SYNAPSE_EXTRAS = """
moved : 1
w_start : 1 (constant)
"""

# Where a synapse finds the TD error: with one agent in the cart (or in one shared value that Python
# writes), with many in its target neuron, which has a copy of its cart's (or what Python writes).
LINKED_SIGNAL = "td_error : 1 (linked)"
SHARED_SIGNAL = "td_error : 1 (shared)"
TARGET_SIGNAL = "td_error = signal_post : 1"
NEURON_SIGNAL = "\nsignal : 1"
CART_SIGNAL = "\ncart_signal : 1 (linked)"
