"""The parts of a program's own C++ that are the same for every model."""

COMMON = """\
int64_t counters[N_COUNTER];
double control[N_CONTROL], spike_total[N_POPULATIONS], spike_count[N_READOUTS + 1];
int64_t first_spike[N_READOUTS + 1], recorded_steps = 0;
bool learning, recording, finished = false;
std::vector<int32_t> events;  // recorded spikes: step, population, neuron
std::ifstream given;
std::ofstream written;

template <class T> void get(T* place, size_t n) { given.read((char*)place, n * sizeof(T)); }
template <class T> void put(const T* place, size_t n) { written.write((const char*)place, n * sizeof(T)); }
void open_given() { given.open(brian::results_dir + "@GIVEN@", std::ios::in | std::ios::binary); }
void open_written() { written.open(brian::results_dir + "@WRITTEN@", std::ios::out | std::ios::binary); }

const codeobj_func CALLED[] = {@CALLED@};  // not in every dt, but where the loop calls them, if it does

// Nothing more happens in this dt, and it is the last.
void stop() {
    finished = true;
    for (auto& object : brian::@NETWORK@.objects) object.second = NULL;
    Network::_globally_stopped = true;
}

// Put the loop's own functions around the network's objects, and go on at the step where the books stand.
void surround(codeobj_func before, codeobj_func after) {
    std::vector<std::pair<Clock*, codeobj_func> > objects(1, std::make_pair(&brian::@CLOCK@, before));
    for (auto& object : brian::@NETWORK@.objects)
        if (std::find(std::begin(CALLED), std::end(CALLED), object.second) == std::end(CALLED)) objects.push_back(object);
    objects.push_back(std::make_pair(&brian::@CLOCK@, after));
    brian::@NETWORK@.objects = objects;
    brian::@CLOCK@.timestep[0] = counters[STEP];
    brian::@CLOCK@.t[0] = brian::@NETWORK@.t = counters[STEP] * DT;
}

double now() { return brian::@CLOCK@.t[0]; }

void record_spikes(int population, const int32_t* spikes, int32_t n) {
    for (int32_t k = 0; recording && k < n; k++)
        for (int32_t word : {(int32_t)recorded_steps, (int32_t)population, spikes[k]}) events.push_back(word);
}

void put_events() {
    const int64_t n = events.size();
    put(&n, 1);
    put(events.data(), n);
}

void forget_spikes() {
    for (int k = 0; k < N_READOUTS; k++) { spike_count[k] = 0.0; first_spike[k] = -1; }
}

void see(int readout) {
    spike_count[readout] += 1.0;
    if (first_spike[readout] < 0) first_spike[readout] = counters[STEP] % WINDOW;
}

template <class T> bool wild(const T* place, size_t n) {
    for (size_t k = 0; k < n; k++) if (!(std::fabs(place[k]) < 1e300)) return true;
    return false;
}

struct Restart { char* place; std::vector<char> start; };
std::vector<Restart> restarts;

template <class T> void remember(T* place, size_t n) {
    restarts.push_back({(char*)place, std::vector<char>((char*)place, (char*)(place + n))});
}
"""
"""What every program has: its input and output, its place in Brian2's network, recording, restart."""

CLOSED = """\
int64_t budget, max_steps, steps_before;
double time_constant, stop_p[4];
uint64_t action_stream, reset_stream;
std::vector<int64_t> lengths;
std::vector<double> rewards, trace;

void act() {
    const double chance = snnrl_uniform((int64_t)action_stream, counters[DECISION], 0);
    read_actions();
    const int64_t action = decode(spike_count, first_spike, chance, (double)WINDOW, (double*)action_p);
    double before[N_STATE], after[N_STATE];
    read_state(before);
    const bool terminated = step_world(action);
    read_state(after);
    const int64_t step = counters[EPISODE_STEP] + 1;
    const double gain = task_reward(before, after, terminated, step, control[RECENT], (double*)reward_p);
    if (recording) {
        for (double number : {control[VALUE], control[TD_ERROR], (double)action, gain}) trace.push_back(number);
        trace.insert(trace.end(), observation, observation + N_OBSERVATION);
    }
    if (!(std::fabs(gain) < 1e300)) { counters[ERROR] = -1; return; }
    take_reward(gain, terminated, step >= max_steps && !terminated, learning, time_constant, counters, control);
}

void begin_episode() {
    for (int place : {VALUE, TD_ERROR, REWARD, REWARD_ERROR, LAST_REWARD, LAST_REWARD_ERROR}) control[place] = 0.0;
    write_signals();
    restart();
    double chances[N_UNIFORMS + 1];
    for (int k = 0; k < N_UNIFORMS; k++) chances[k] = snnrl_uniform((int64_t)reset_stream, counters[EPISODE], k);
    reset_world(chances);
}

// Learn from the environment step that has just ended; where it was the last of its episode, book the episode.
void judge() {
    const bool bootstrapped = counters[MODE] == 2;  // the last observation of a truncated episode was sensed
    learn(read_value(), false);
    if (!bootstrapped) act();
    if (counters[MODE] == 1) learn(0.0, true);
    if (bootstrapped || counters[MODE] == 1)
        end_episode(stop_p, counters, control, lengths.data(), rewards.data());
}

void start_of_dt() {
    static bool sensed = false;
    if (counters[STEP] % WINDOW != 0) return;
    if (sensed && counters[ERROR] == 0) judge();
    const bool begins = counters[EPISODE_STEP] == 0;
    const bool enough = counters[FINISHED] != 0 || counters[ENV_STEPS] - steps_before >= budget;
    if (counters[ERROR] != 0 || (begins && enough)) { stop(); return; }
    if (begins) begin_episode();
    sense();
    sensed = true;
}
}  // namespace

void snnrl_attach() {
    int64_t whole[5];
    double exploration, parameters[6];
    open_given();
    get(whole, 5);
    get(parameters, 6);
    get(&action_stream, 1);
    get(&reset_stream, 1);
    get_streams();
    budget = whole[0], max_steps = whole[1], learning = whole[3] != 0, recording = whole[4] != 0;
    exploration = parameters[0], time_constant = parameters[1];
    std::copy(parameters + 2, parameters + 6, stop_p);
    get(counters, N_COUNTER);
    get(control, N_CONTROL);
    get(spike_total, N_POPULATIONS);
    lengths.resize(whole[2]);
    rewards.resize(whole[2]);
    get(lengths.data(), whole[2]);
    get(rewards.data(), whole[2]);
    steps_before = counters[ENV_STEPS];
    set_learning();
    set_exploration(exploration);
    write_signals();
    surround(start_of_dt, end_of_dt);
}

void snnrl_finish() {
    open_written();
    put(counters, N_COUNTER);
    put(control, N_CONTROL);
    put(spike_total, N_POPULATIONS);
    put(lengths.data(), lengths.size());
    put(rewards.data(), rewards.size());
    const int64_t n = trace.size();
    put(&n, 1);
    put(trace.data(), n);
    put_events();
}
"""
"""The closed loop: act, judge, begin an episode."""

OPEN = """\
void start_of_dt() {
    if (counters[STEP] % WINDOW == 0) {
        if (counters[STEP] > 0) {
            write_signals(counters[DECISION] - 1);
            if (learning) apply_reward(2 * counters[DECISION]);
        }
        if (counters[ERROR] != 0 || counters[DECISION] == n_env_steps) { stop(); return; }
        if (counters[STEP] == 0) restart();
        counters[DECISION]++;
        forget_spikes();
        on_step();
    }
    supply();
}
}  // namespace

void snnrl_attach() {
    int64_t whole[2];
    open_given();
    get(whole, 2);
    get_streams();
    n_env_steps = whole[0], learning = whole[1] != 0, recording = true;
    read_stimulus(n_env_steps);
    set_learning();
    set_exploration(1.0);
    surround(start_of_dt, end_of_dt);
}

void snnrl_finish() {
    open_written();
    put(counters, N_COUNTER);
    put_events();
}
"""
"""The run on supplied spikes and signals."""
