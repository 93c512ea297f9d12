"use strict";
// What a browser and the server share: frames out of the Bokeh document, commands back, and word from a server that is gone.
// A page defines `build`, which takes what does not change.

const $ = id => document.getElementById(id);
const demo = { frames: 0, drawn: 0, spent: 0, spikes: 0, dropped: 0, fps: 0, number: 0, shapes: [], books: null, clock: null, state: null, ready: false };
window.demo = demo; // for whoever wants to look, tests among them
let link = null, setup = null, waiting = [], commands = 0, lastFrameAt = 0;

function send(name, value = null, target = "") {
  if (link) link.command = { id: ++commands, name, value, target };
}

// ------------------------------------------------------------------ connection

function find() {
  const doc = window.Bokeh && Bokeh.documents && Bokeh.documents[0];
  const root = doc && doc.roots().find(model => "frame" in model.properties);
  if (!root) { requestAnimationFrame(find); return; }
  link = root;
  link.properties.frame.change.connect(() => take(link.frame));
  link.properties.setup.change.connect(build);
  link.properties.status.change.connect(say);
  build(); say();
}

function plain(value) { // Bokeh gives maps for dicts
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function say() {
  $("banner").textContent = link.status;
  $("banner").hidden = !link.status;
}

function take(frame) {
  if (!frame || !setup) return;
  const message = plain(frame);
  lastFrameAt = performance.now();
  demo.frames++;
  waiting.push(message);
  if (waiting.length > 4) { waiting.shift(); demo.dropped++; }
}

setInterval(() => { // the server is gone: come back as soon as it does
  if (!setup || !lastFrameAt || performance.now() - lastFrameAt < 5000) return;
  $("banner").textContent = "No word from the simulation. Trying to come back …";
  $("banner").hidden = false;
  if (!link.status) fetch(location.href, { cache: "no-store" }).then(r => { if (r.ok) location.reload(); }).catch(() => {});
}, 3000);
