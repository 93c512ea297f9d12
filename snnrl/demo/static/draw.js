"use strict";
// Painters: each owns one canvas and is told what is new. Colours come from the style sheet, so dark and light follow it.

const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = {};
function readColours() {
  for (const name of ["ink", "soft", "line", "input", "critic", "error", "left", "right", "third", "pole", "warn",
                      "faint", "grey", "panel", "zero"]) COLOURS[name] = style("--" + name);
}
const ACTIONS = ["left", "right", "third", "soft"];
function colourOf(kind) {
  if (kind.startsWith("action ")) return COLOURS[ACTIONS[+kind.slice(7) % ACTIONS.length]];
  return kind === "critic" ? COLOURS.critic : COLOURS.input;
}

class Painter {
  constructor(id) {
    this.canvas = document.getElementById(id);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.fit();
  }
  // Match the canvas to its place on the page; true where that changed anything.
  fit() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (width === this.canvas.width && height === this.canvas.height) return false;
    [this.canvas.width, this.canvas.height, this.ratio] = [width, height, ratio];
    this.clear();
    return true;
  }
  get width() { return this.canvas.width; }
  get height() { return this.canvas.height; }
  clear() {
    this.context.fillStyle = COLOURS.panel;
    this.context.fillRect(0, 0, this.width, this.height);
  }
}

class ScenePainter extends Painter {
  draw(shapes, view) {
    this.clear();
    const [left, right, bottom, top] = view, g = this.context;
    const scale = Math.min(this.width / (right - left), this.height / (top - bottom));
    const x = u => this.width / 2 + (u - (left + right) / 2) * scale;
    const y = v => this.height / 2 - (v - (bottom + top) / 2) * scale;
    g.lineCap = g.lineJoin = "round";
    for (const [colour, width, points] of shapes) {
      g.beginPath();
      if (points.length === 2) {
        g.fillStyle = COLOURS[colour];
        g.arc(x(points[0]), y(points[1]), width * scale / 2, 0, 2 * Math.PI);
        g.fill();
        continue;
      }
      for (let k = 0; k < points.length; k += 2) g.lineTo(x(points[k]), y(points[k + 1]));
      if (width === 0) { g.closePath(); g.fillStyle = COLOURS[colour]; g.fill(); continue; }
      g.strokeStyle = COLOURS[colour];
      g.lineWidth = Math.max(width * scale, this.ratio);
      g.stroke();
    }
  }
}

// A canvas that moves to the left as simulated time goes on; only what is new is drawn.
class Scroller extends Painter {
  constructor(id, span) { super(id); this.span = span; this.end = null; }
  setSpan(span) { if (span !== this.span) { this.span = span; this.end = null; } }
  x(time) { return Math.floor(time * this.width / this.span); }
  // Make room up to a time; what lies between the last time and `start` stays empty, as no frame showed it.
  advance(start, end) {
    const g = this.context;
    let fresh = this.end === null || start < this.end - 1e-9 - this.span || end - this.end > this.span;
    if (fresh) { this.clear(); this.background(0, this.width); this.end = start; }
    const shift = this.x(end) - this.x(this.end);
    if (shift > 0) {
      g.globalCompositeOperation = "copy";
      g.drawImage(this.canvas, -shift, 0);
      g.globalCompositeOperation = "source-over";
      this.blank(this.width - shift, shift);
    }
    this.end = end;
    return fresh;
  }
  blank(x, width) {
    this.context.fillStyle = COLOURS.panel;
    this.context.fillRect(x, 0, width, this.height);
    this.background(x, width);
  }
  background() {}
  place(time) { return this.width - (this.x(this.end) - this.x(time)); }
}

class RasterPainter extends Scroller {
  // Bands from top to bottom are the populations from last to first: actions, critic, inputs.
  setBands(populations) {
    const weight = p => p.kind === "input" ? 1.7 : Math.max(0.55, Math.min(1.6, p.size / 16));
    const total = populations.reduce((sum, p) => sum + weight(p), 0);
    let below = 1.0, first = 0;
    this.bands = populations.map(p => {
      const share = weight(p) / total, band = { kind: p.kind, first, size: p.size, top: below - share, share };
      below -= share; first += p.size;
      return band;
    });
    this.rows = new Float32Array(first);
    this.kinds = new Uint8Array(first);
    this.bands.forEach((band, index) => {
      for (let k = 0; k < band.size; k++) {
        this.rows[band.first + k] = band.top + band.share * (0.04 + 0.92 * (1 - (k + 0.5) / band.size));
        this.kinds[band.first + k] = index;
      }
    });
    this.neurons = first;
  }
  background(x, width) {
    this.context.fillStyle = COLOURS.line;
    for (const band of (this.bands || []).slice(0, -1))
      this.context.fillRect(x, Math.round(band.top * this.height), width, 1);
  }
  add(chunk, dt) {
    const g = this.context, start = chunk.start * dt, end = (chunk.start + chunk.dt_steps) * dt;
    this.advance(start, end);
    let from = start;
    for (let k = 0; k < chunk.end.length; k++) {
      const to = chunk.end[k] * dt, band = this.bands.filter(b => b.kind.startsWith("action "));
      g.globalAlpha = 0.16;
      g.fillStyle = colourOf("action " + chunk.action[k]);
      const x = this.place(from), wide = Math.max(1, this.place(to) - x);
      for (const b of band) g.fillRect(x, b.top * this.height + 1, wide, b.share * this.height - 1);
      g.globalAlpha = 1;
      if (chunk.ended[k]) { g.fillStyle = COLOURS.warn; g.fillRect(this.place(to) - 2, 0, 2, this.height); }
      from = to;
    }
    const colours = this.bands.map(b => colourOf(b.kind)), wide = 1.3 * this.ratio;
    const sizes = this.bands.map(b => Math.max(1.6 * this.ratio, 0.72 * b.share * this.height / b.size));
    let last = -1;
    for (const packed of chunk.spikes) {
      const neuron = packed % this.neurons, kind = this.kinds[neuron], s = sizes[kind];
      if (kind !== last) { g.fillStyle = colours[kind]; last = kind; }
      const time = start + (packed - neuron) / this.neurons * dt;
      g.fillRect(this.place(time), this.rows[neuron] * this.height - s / 2, wide, s);
    }
  }
}

class MembranePainter extends Scroller {
  setLanes(kinds) { this.kinds = kinds; this.before = null; }
  y(lane, u) {
    const share = this.height / this.kinds.length, low = -0.8, high = 1.45;
    return (lane + 1) * share - share * (Math.max(low, Math.min(high, u)) - low) / (high - low);
  }
  background(x, width) {
    const g = this.context;
    (this.kinds || []).forEach((_, lane) => {
      g.fillStyle = COLOURS.line;
      if (lane) g.fillRect(x, Math.round(lane * this.height / this.kinds.length), width, 1);
      g.fillStyle = COLOURS.faint;
      const y = Math.round(this.y(lane, 1)), dash = 6 * this.ratio;
      const first = Math.floor(x / dash) * dash;
      for (let at = first; at < x + width; at += 2 * dash) g.fillRect(Math.max(at, x), y, Math.min(dash, x + width - at), 1);
    });
  }
  add(chunk, dt) {
    const lanes = this.kinds.length, g = this.context, start = chunk.start * dt;
    if (!lanes || !chunk.membranes.length) return;
    const gap = this.end === null || start - this.end > 1.5 * dt;
    if (this.advance(start, (chunk.start + chunk.dt_steps) * dt) || gap) this.before = null;
    g.lineWidth = 1.3 * this.ratio;
    g.lineJoin = "round";
    for (let lane = 0; lane < lanes; lane++) {
      g.strokeStyle = colourOf(this.kinds[lane]);
      g.beginPath();
      if (this.before) g.moveTo(this.place(start), this.y(lane, this.before[lane]));
      for (let k = 0; k < chunk.dt_steps; k++) {
        const u = chunk.membranes[k * lanes + lane], x = this.place(start + (k + 1) * dt);
        g.lineTo(x, this.y(lane, u));
        if (u >= 1) { g.lineTo(x, this.y(lane, 1.4)); g.lineTo(x, this.y(lane, 0)); }
      }
      g.stroke();
    }
    this.before = Array.from({ length: lanes }, (_, lane) => {
      const u = chunk.membranes[(chunk.dt_steps - 1) * lanes + lane];
      return u >= 1 ? 0 : u;
    });
  }
}

class ValuePainter extends Painter {
  constructor(id, span) { super(id); this.span = span; this.points = []; this.ranges = [[0, 1], [-0.1, 0.1]]; }
  setSpan(span) { if (span !== this.span) { this.span = span; this.points = []; } }
  add(chunk, dt) {
    for (let k = 0; k < chunk.end.length; k++)
      this.points.push([chunk.end[k] * dt, chunk.value[k], chunk.td_error[k], chunk.ended[k]]);
    const end = this.points[this.points.length - 1][0];
    let old = 0;
    while (old < this.points.length && this.points[old][0] < end - this.span) old++;
    if (old > 64) this.points.splice(0, old);
  }
  draw() {
    this.clear();
    if (!this.points.length) return;
    const g = this.context, end = this.points[this.points.length - 1][0], half = this.height / 2;
    [[1, COLOURS.critic], [2, COLOURS.error]].forEach(([column, colour], lane) => {
      const range = this.range(lane, column), font = 11 * this.ratio;
      const y = v => lane * half + half - 4 - (half - 8) * (v - range[0]) / (range[1] - range[0]);
      g.fillStyle = COLOURS.line;
      if (lane) g.fillRect(0, half, this.width, 1);
      g.fillStyle = COLOURS.faint;
      if (range[0] <= 0 && range[1] >= 0) g.fillRect(0, Math.round(y(0)), this.width, 1);
      g.strokeStyle = colour;
      g.lineWidth = 1.4 * this.ratio;
      g.beginPath();
      let drawn = false;
      for (const point of this.points) {
        const x = this.width - (end - point[0]) * this.width / this.span;
        if (drawn) g.lineTo(x, y(point[column])); else g.moveTo(x, y(point[column]));
        drawn = !point[3];
      }
      g.stroke();
      g.font = `${font}px system-ui, sans-serif`;
      g.fillStyle = COLOURS.soft;
      g.fillText(short(range[1]), 3, lane * half + font + 1);
      g.fillText(short(range[0]), 3, lane * half + half - 4);
    });
  }
  // The range follows what is shown at once upwards and slowly downwards, so that the axis does not tremble.
  range(lane, column) {
    let low = Infinity, high = -Infinity;
    for (const point of this.points) { low = Math.min(low, point[column]); high = Math.max(high, point[column]); }
    if (!(high >= low)) return this.ranges[lane];
    const r = this.ranges[lane], slow = 0.03;
    if (lane === 1) { high = Math.max(high, -low, 1e-3); low = -high; }
    r[0] = low < r[0] ? low : r[0] + slow * (low - r[0]);
    r[1] = high > r[1] ? high : r[1] + slow * (high - r[1]);
    if (r[1] - r[0] < 1e-6) r[1] = r[0] + 1e-6;
    return r;
  }
}

// An image of numbers, one pixel each, stretched over the canvas.
class ImagePainter extends Painter {
  setSize(rows, columns, bands) {
    [this.rows, this.columns, this.bands] = [rows, columns, bands];
    this.image = new ImageData(Math.max(1, columns), Math.max(1, rows));
    this.small = document.createElement("canvas");
    [this.small.width, this.small.height] = [this.image.width, this.image.height];
    this.heat = new Float32Array(rows * columns);
  }
  paint(colourAt) {
    const data = this.image.data;
    for (let row = 0; row < this.rows; row++)
      for (let column = 0; column < this.columns; column++) {
        const at = ((this.rows - 1 - row) * this.columns + column) * 4, c = colourAt(row * this.columns + column);
        data[at] = c[0]; data[at + 1] = c[1]; data[at + 2] = c[2]; data[at + 3] = 255;
      }
    this.small.getContext("2d").putImageData(this.image, 0, 0);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.small, 0, 0, this.width, this.height);
    this.context.fillStyle = COLOURS.panel;
    let row = 0;
    for (const size of this.bands.slice(0, -1)) {
      row += size;
      this.context.fillRect(0, Math.round((1 - row / this.rows) * this.height) - 1, this.width, 2);
    }
  }
  weights(values, gain) {
    const low = rgb(COLOURS.left), high = rgb(COLOURS.right), zero = rgb(COLOURS.zero);
    this.paint(k => {
      const v = Math.max(-1, Math.min(1, values[k] / gain)), end = v < 0 ? low : high, part = Math.sqrt(Math.abs(v));
      return [0, 1, 2].map(i => zero[i] + part * (end[i] - zero[i]));
    });
  }
  writes(counts) {
    const on = rgb(COLOURS.pole), off = rgb(COLOURS.zero);
    for (let k = 0; k < this.heat.length; k++) this.heat[k] = Math.min(1, 0.8 * this.heat[k] + (counts[k] ? 0.6 : 0));
    this.paint(k => [0, 1, 2].map(i => off[i] + this.heat[k] * (on[i] - off[i])));
  }
}

class EpisodesPainter extends Painter {
  draw(lengths, present, full) {
    this.clear();
    const g = this.context, all = [...lengths, present], room = 61, wide = this.width / room;
    const top = Math.max(full, ...all) * 1.06, font = 11 * this.ratio;
    all.slice(-room).forEach((length, k) => {
      const high = Math.max(1, length / top * (this.height - 2)), last = k === Math.min(all.length, room) - 1;
      g.fillStyle = last ? COLOURS.pole : COLOURS.critic;
      g.fillRect(k * wide + 0.5, this.height - high, Math.max(1, wide - 1), high);
    });
    g.fillStyle = COLOURS.warn;
    g.fillRect(0, Math.round(this.height - full / top * (this.height - 2)), this.width, Math.max(1, this.ratio));
    g.fillStyle = COLOURS.soft;
    g.font = `${font}px system-ui, sans-serif`;
    g.fillText(`${full} steps`, 3, Math.max(font, this.height - full / top * (this.height - 2) - 4));
  }
}

const parsed = {};
function rgb(colour) {
  if (!(colour in parsed)) parsed[colour] = [1, 3, 5].map(k => parseInt(colour.slice(k, k + 2), 16));
  return parsed[colour];
}
function short(value) { return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(2); }
