"use strict";
// The page of a game: paints what the link brings, and sends commands back.

const WIDTH = 160, HEIGHT = 210, SIDE = 84;
let painters = null, last = null;

// A picture of given size, as large as fits, with hard pixels.
class PicturePainter extends Painter {
  setSize(width, height) {
    this.picture = document.createElement("canvas");
    [this.picture.width, this.picture.height] = [width, height];
    this.inner = this.picture.getContext("2d", { alpha: false });
    this.data = this.inner.createImageData(width, height);
    this.data.data.fill(255);
  }
  draw(bytes, channels) {
    const out = this.data.data;
    for (let k = 0, from = 0; k < out.length; k += 4, from += channels) {
      out[k] = bytes[from];
      out[k + 1] = bytes[from + (channels > 1 ? 1 : 0)];
      out[k + 2] = bytes[from + (channels > 1 ? 2 : 0)];
    }
    this.inner.putImageData(this.data, 0, 0);
    this.show();
  }
  show() {
    this.clear();
    const { width, height } = this.picture, g = this.context;
    const scale = Math.min(this.width / width, this.height / height);
    g.imageSmoothingEnabled = false;
    g.drawImage(this.picture, (this.width - width * scale) / 2, (this.height - height * scale) / 2, width * scale, height * scale);
  }
}

// One lane for each layer: a trace over the layer's own range, moving to the left.
class LayersPainter extends Painter {
  setSize(lanes, columns) {
    [this.lanes, this.columns] = [lanes, columns];
  }
  draw(history) { // frame by frame, the newest last, a number for each lane
    this.clear();
    const g = this.context, wide = this.width / this.columns, high = this.height / this.lanes, gap = 3 * this.ratio;
    for (let lane = 0; lane < this.lanes; lane++) {
      const values = history.filter((_, k) => k % this.lanes === lane), sorted = [...values].sort((a, b) => a - b);
      const at = share => sorted[Math.round(share * (sorted.length - 1))], low = at(0.05), range = at(0.95) - low || 1;
      const bottom = (lane + 1) * high - gap, left = this.width - values.length * wide;
      g.beginPath();
      g.moveTo(left, bottom);
      values.forEach((value, k) => {
        const part = Math.min(Math.max((value - low) / range, 0), 1); // a game's first frame is far from all others
        const y = bottom - (0.08 + 0.92 * part) * (high - 3 * gap);
        g.lineTo(left + k * wide, y);
        g.lineTo(left + (k + 1) * wide, y);
      });
      g.lineTo(this.width, bottom);
      g.globalAlpha = 0.75;
      g.fillStyle = lane === this.lanes - 1 ? COLOURS.pole : COLOURS.left;
      g.fill();
      g.globalAlpha = 1;
      g.fillStyle = COLOURS.line;
      g.fillRect(0, bottom, this.width, this.ratio);
    }
  }
}

class VotesPainter extends Painter {
  draw(bars, outputs, action) {
    this.clear();
    const g = this.context, high = this.height / bars.length, size = Math.min(0.5 * high, 13 * this.ratio), room = 4.6 * size;
    g.font = `${size}px system-ui, "DejaVu Sans", sans-serif`;
    g.textBaseline = "middle";
    bars.forEach((bar, k) => {
      const wide = Math.max(bar * (this.width - room), this.ratio);
      g.fillStyle = k === action ? COLOURS.pole : COLOURS.faint;
      g.fillRect(0, (k + 0.15) * high, wide, 0.7 * high);
      g.fillStyle = COLOURS.soft;
      g.fillText(plainly(outputs[k]), wide + 0.4 * size, (k + 0.5) * high);
    });
  }
}

class ScoresPainter extends Painter {
  draw(scores) {
    this.clear();
    if (!scores.length) return;
    const g = this.context, low = Math.min(0, ...scores), high = Math.max(0, ...scores, low + 1e-9);
    const wide = this.width / 20, y = v => this.height * (0.96 - 0.92 * (v - low) / (high - low));
    g.fillStyle = COLOURS.left;
    scores.forEach((score, k) => g.fillRect((k + 0.12) * wide, Math.min(y(score), y(0)), 0.76 * wide, Math.max(Math.abs(y(score) - y(0)), this.ratio)));
    g.fillStyle = COLOURS.soft;
    g.fillRect(0, y(0), this.width, this.ratio);
  }
}

function plainly(value) { return Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(3); }

// ------------------------------------------------------------------ what does not change

function names(id, texts) {
  $(id).replaceChildren(...texts.map(text => Object.assign(document.createElement("span"), { textContent: text })));
}

function build() {
  const given = plain(link.setup);
  if (setup || !given || !given.actions) return;
  readColours();
  setup = given;
  painters = { screen: new PicturePainter("screen"), seen: new PicturePainter("seen"), layers: new LayersPainter("layers"),
               actions: new VotesPainter("actions"), games: new ScoresPainter("games") };
  painters.screen.setSize(WIDTH, HEIGHT);
  painters.seen.setSize(SIDE, SIDE);
  painters.layers.setSize(setup.layers.length, setup.history);
  names("layer-names", setup.layers.map((name, k) => `${name} (${setup.neurons[k].toLocaleString("en")})`));
  names("action-names", setup.actions);
  $("title").textContent = `${setup.title}: ${setup.player}`;
  $("protocol").textContent = `Protocol: ${setup.protocol}.`;
  $("layers-panel").hidden = !setup.layers.length;
  $("fps").min = setup.speeds[0];
  $("fps").max = setup.speeds[1];
  demo.ready = true;
  new ResizeObserver(refit).observe(document.querySelector("main"));
}

$("pause").onclick = () => send("pause", !(demo.books && demo.books.paused));
$("step").onclick = () => { if (demo.books && demo.books.paused) send("step"); else send("pause", true); };
$("clear").onclick = () => send("clear");
$("fps").oninput = () => { $("fps-text").textContent = $("fps").value; };
$("fps").onchange = () => { send("fps", +$("fps").value); $("fps").blur(); };

const KEYS = { " ": "pause", n: "step", t: "theme" };
document.addEventListener("keydown", event => {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT" || !(key in KEYS)) return;
  $(KEYS[key]).click();
  event.preventDefault();
});

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  readColours();
  paint();
}
const wanted = new URLSearchParams(location.search);
setTheme(wanted.has("dark") || (!wanted.has("light") && matchMedia("(prefers-color-scheme: dark)").matches));
$("theme").onclick = () => setTheme(!document.documentElement.classList.contains("dark"));

function refit() {
  for (const painter of Object.values(painters)) painter.fit();
  paint();
}

// ------------------------------------------------------------------ frames

function draw() {
  requestAnimationFrame(draw);
  if (!waiting.length) return;
  const began = performance.now();
  last = waiting[waiting.length - 1];
  waiting = [];
  [demo.number, demo.books] = [last.number, last];
  demo.spikes += last.spikes;
  paint();
  numbers(last);
  link.ack = last.number;
  demo.drawn++;
  demo.spent += performance.now() - began;
}
requestAnimationFrame(draw);

function paint() {
  if (!last) return;
  painters.screen.draw(last.screen, 3);
  painters.seen.draw(last.seen, 1);
  painters.layers.draw(Array.from(last.history));
  painters.actions.draw(last.bars, last.outputs, last.action);
  painters.games.draw(last.scores);
}

function numbers(m) {
  $("n-score").textContent = plainly(m.score);
  $("n-game").textContent = m.game;
  $("n-lives").textContent = m.lives || "–";
  $("n-fps").textContent = m.paused ? "paused" : `${m.fps.toFixed(1)} of ${plainly(m.asked)}`;
  $("n-latency").textContent = m.latency.map(v => v < 10 ? v.toFixed(1) : v.toFixed(0)).join(" / ") + " ms";
  $("n-missed").textContent = `${m.missed.toLocaleString("en")} of ${m.steps.toLocaleString("en")}`;
  $("n-spikes").textContent = setup.layers.length ? Math.round(m.spikes).toLocaleString("en") : "–";
  $("n-frames").textContent = m.frames.toLocaleString("en");
  $("mode").textContent = m.paused ? "paused" : m.explored ? "chance chose" : "playing";
  $("pause").setAttribute("aria-pressed", m.paused);
  names("layer-parts", m.share.map(part => `${(100 * part).toFixed(1)} %`));
  $("span").textContent = `last ${Math.round(setup.history / m.asked)} s`;
  if (document.activeElement !== $("fps")) { $("fps").value = m.asked; $("fps-text").textContent = plainly(m.asked); }
  const n = m.scores.length;
  if (n) $("games-caption").textContent = `Last ${n}: mean ${(m.scores.reduce((a, b) => a + b) / n).toFixed(1)}, last ${plainly(m.scores[n - 1])}.`;
}

find();
