"use strict";
// The page: lets the painters draw frames, and sends commands back.

const SPANS = { raster: 1, membranes: 0.3, value: 5 };
let painters = null, resting = null;

// ------------------------------------------------------------------ what does not change

function build() {
  const given = plain(link.setup);
  if (setup || !given || !given.populations) return;
  readColours();
  setup = given;
  painters = {
    scene: new ScenePainter("scene"), raster: new RasterPainter("raster", SPANS.raster),
    membranes: new MembranePainter("membranes", SPANS.membranes), value: new ValuePainter("value", SPANS.value),
    map: new ImagePainter("map"), writes: new ImagePainter("writes"), episodes: new EpisodesPainter("episodes"),
  };
  painters.raster.setBands(setup.populations);
  painters.membranes.setLanes(setup.membranes.map(place => setup.populations[place].kind));
  const bands = setup.targets.map(([, size]) => size), rows = bands.reduce((a, b) => a + b, 0);
  painters.map.setSize(rows, setup.sources, bands);
  painters.writes.setSize(rows, setup.sources, bands);
  $("title").textContent = document.title = setup.title;
  $("scene-caption").textContent = setup.caption;
  $("n-lasting").textContent = setup.lasting;
  label("bands", [...setup.populations].reverse().map(p => [`${p.label} (${p.size})`, p.kind]),
        [...painters.raster.bands].reverse().map(b => b.share));
  label("membrane-labels", setup.membranes.map(place => [setup.populations[place].label, setup.populations[place].kind]));
  label("map-labels", [...setup.targets].reverse().map(([place]) => [setup.populations[place].label, setup.populations[place].kind]),
        [...bands].reverse());
  $("map-title").textContent = setup.devices ? "Conductances of the memristor pairs" : "Weights";
  $("map-caption").textContent = (setup.devices ? `Each cell is one synapse, a pair of memristors: G₊ − G₋, up to ±${(setup.devices * 1e6).toFixed(0)} µS` : "Each cell is one synapse")
    + " (blue: inhibits, orange: excites); columns are input cells, rows the neurons they reach. Below: where the last writes went.";
  for (const id of ["value-panel"]) $(id).hidden = !setup.critic;
  $("n-writes-label").textContent = setup.devices ? "device writes" : "synapses";
  $("raster-span").textContent = `last ${SPANS.raster} s`;
  $("membrane-span").textContent = `last ${SPANS.membranes} s`;
  buildControls();
  demo.ready = true;
  new ResizeObserver(refit).observe(document.querySelector("main"));
}

function label(id, texts, shares = null) {
  $(id).replaceChildren(...texts.map(([text, kind], k) => {
    const span = document.createElement("span");
    span.textContent = text;
    span.dataset.kind = kind;
    if (shares) span.style.flexGrow = shares[k] * 100;
    return span;
  }));
  paintLabels();
}
function paintLabels() {
  for (const span of document.querySelectorAll("[data-kind]")) span.style.color = colourOf(span.dataset.kind);
}

function buildControls() {
  $("nudges").replaceChildren(...setup.buttons.map(b => {
    const button = document.createElement("button");
    button.id = `nudge-${b.state}-${b.amount < 0 ? "minus" : "plus"}`;
    button.textContent = b.label + " ";
    const key = document.createElement("kbd");
    key.textContent = ({ ArrowLeft: "←", ArrowRight: "→" })[b.key] || b.key.toUpperCase();
    button.append(key);
    button.onclick = () => { send("nudge", b.amount, b.state); flash(button); };
    return button;
  }));
  $("reward").replaceChildren(...Object.keys(setup.rewards).map(name => new Option(name, name)));
  $("reward").onchange = () => send("reward", $("reward").value);
  $("sliders").replaceChildren(...setup.sliders.map(slider));
  $("learning").onclick = () => send("learning", !(demo.books && demo.books.learning));
  $("pause").onclick = () => send("pause", !(demo.books && demo.books.paused));
  $("reset").onclick = () => send("reset");
  $("forget").onclick = () => { send("forget"); send("learning", true); };
  $("restore").onclick = () => { send("restore"); send("learning", false); };
  $("clear").onclick = () => send("clear");
}

function flash(button) { button.classList.add("flash"); setTimeout(() => button.classList.remove("flash"), 180); }

function slider(s) {
  const row = document.createElement("label"), input = document.createElement("input"), output = document.createElement("output");
  row.className = "slider";
  row.append(s.label, input, output);
  const to = v => s.log ? Math.log(v) : v, from = u => s.log ? +Math.exp(u).toPrecision(2) : +u;
  Object.assign(input, { type: "range", min: to(s.low), max: to(s.high), step: s.log ? "any" : s.step, id: `slider-${s.name}` });
  input.disabled = s.name === "speed" && setup.realtime;
  s.show = value => { output.textContent = `${+value.toFixed(3)} ${s.unit}`; };
  s.follow = value => { if (document.activeElement !== input || !s.held) { input.value = to(value); s.show(value); } };
  input.oninput = () => { s.held = true; const value = from(input.value); s.show(value); send("set", value, s.name); };
  input.onchange = () => { s.held = false; input.blur(); };
  return row;
}

// ------------------------------------------------------------------ keyboard, theme, layout

const KEYS = { l: "learning", " ": "pause", r: "reset", z: "forget", x: "restore", t: "theme", f: "layout" };
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || /SELECT|INPUT/.test(event.target.tagName)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const nudge = setup && setup.buttons.findIndex(b => b.key === key);
  if (setup && nudge >= 0) $("nudges").children[nudge].click();
  else if (key in KEYS) $(KEYS[key]).click();
  else if ("+-".includes(key) && demo.books && !setup.realtime) send("set", demo.books.sliders.speed * (key === "+" ? 1.25 : 0.8), "speed");
  else return;
  event.preventDefault();
});

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  readColours();
  paintLabels();
  if (painters) { for (const p of Object.values(painters)) { p.clear(); if ("end" in p) p.end = null; } }
}
const wanted = new URLSearchParams(location.search);
setTheme(wanted.has("dark") || (!wanted.has("light") && matchMedia("(prefers-color-scheme: dark)").matches));
$("theme").onclick = () => setTheme(!document.documentElement.classList.contains("dark"));
document.body.classList.toggle("projector", wanted.has("projector"));
$("layout").onclick = () => { document.body.classList.toggle("projector"); refit(); };

function refit() {
  if (!painters) return;
  for (const p of Object.values(painters)) if (p.fit() && "end" in p) p.end = null;
  if (resting) { drawMap(resting); }
}

// ------------------------------------------------------------------ frames

function draw() {
  requestAnimationFrame(draw);
  if (!waiting.length) return;
  const messages = waiting, began = performance.now();
  waiting = [];
  for (const message of messages) show(message);
  const last = messages[messages.length - 1];
  demo.shapes = last.shapes;
  painters.scene.draw(demo.shapes, setup.view);
  if (setup.critic) painters.value.draw();
  painters.episodes.draw(Array.from(last.lengths), last.books.episode_step, setup.max_steps);
  numbers(last);
  link.ack = last.number;
  demo.drawn++;
  demo.spent += performance.now() - began;
}
requestAnimationFrame(draw);

function show(message) {
  [demo.number, demo.books, demo.clock] = [message.number, message.books, message.clock];
  const factor = Math.max(1, 2 ** Math.round(Math.log2(message.clock.asked || 1)));
  painters.value.setSpan(SPANS.value * factor);
  $("value-span").textContent = `last ${short(SPANS.value * factor)} s`;
  const last = message.chunks[message.chunks.length - 1], now = last ? last.start + last.dt_steps : 0;
  for (const chunk of message.chunks) {
    const age = (now - chunk.start - chunk.dt_steps) * setup.dt; // what has scrolled away already need not be drawn
    if (age < SPANS.raster) painters.raster.add(chunk, setup.dt);
    if (age < SPANS.membranes) painters.membranes.add(chunk, setup.dt);
    if (setup.critic) painters.value.add(chunk, setup.dt);
    demo.spikes += chunk.spikes.length;
    demo.state = Array.from(chunk.state);
  }
  if (message.weights) { resting = message; drawMap(message); painters.writes.writes(message.written); }
}

function drawMap(message) {
  let largest = 0.05;
  for (const v of message.weights) largest = Math.max(largest, Math.abs(v));
  demo.weights = message.weights;
  painters.map.weights(message.weights, 0.6 * largest);
}

function milli(seconds) { return seconds < 0.01 ? (1000 * seconds).toPrecision(2) : (1000 * seconds).toFixed(0); }

let counted = 0, countedAt = performance.now();
setInterval(() => {
  const now = performance.now();
  demo.fps = 1000 * (demo.drawn - counted) / (now - countedAt);
  [counted, countedAt] = [demo.drawn, now];
  $("n-fps").textContent = demo.fps.toFixed(0);
  if (link && setup) link.fps = demo.fps;
}, 1000);

function numbers({ books, clock }) {
  const seconds = books.episode_step * setup.env_step;
  $("n-alive").textContent = seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  $("n-episode").textContent = books.episode.toLocaleString("en") + (books.solved_at >= 0 ? ` (solved at ${books.solved_at})` : "");
  $("n-length").textContent = `${books.last_length} / ${books.best_length} steps`;
  $("n-spikes").textContent = books.spikes.toFixed(0);
  $("n-writes").textContent = setup.devices ? books.writes.toLocaleString("en") : (setup.sources * painters.map.rows).toLocaleString("en");
  $("n-ratio").textContent = books.paused ? "paused" : `${clock.ratio.toFixed(clock.ratio < 10 ? 2 : 1)} ×`;
  $("n-jitter").textContent = `${milli(clock.late_p50)} / ${milli(clock.late_p99)} ms`;
  $("n-missed").textContent = `${clock.missed.toLocaleString("en")} of ${clock.steps.toLocaleString("en")}`;
  $("learning").setAttribute("aria-pressed", books.learning);
  $("learning").querySelector(".state").textContent = books.learning ? "on" : "off";
  $("pause").setAttribute("aria-pressed", books.paused);
  if (document.activeElement !== $("reward")) $("reward").value = books.reward;
  $("formula").textContent = setup.rewards[books.reward] || "";
  $("mode").textContent = books.paused ? "paused" : books.learning ? "learning" : "learning off";
  $("mode").classList.toggle("learning", books.learning && !books.paused);
  for (const s of setup.sliders) s.follow(books.sliders[s.name]);
}

find();
