"use strict";
/* The data of the page, indexed: which lines, values, kernels and functions belong together.
   A value is named `unit.value`, a step of a run `unit.step`, a line of the source `file:line`. */

const net = JSON.parse(document.getElementById("data").textContent);

/** An element with attributes and children; texts become text, never markup. */
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null) element.append(child);
  }
  return element;
}

/* Numbers for people. */
const digits = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
function withUnit(x, units, step = 1000) {
  let at = 0;
  while (x >= step && at < units.length - 1) (x /= step), at++;
  return `${digits(x)} ${units[at]}`;
}
const bytesText = (n) => (n < 1024 ? `${n} B` : withUnit(n / 1024, ["KiB", "MiB", "GiB", "TiB"], 1024));
const nanosText = (n) => withUnit(n, ["ns", "µs", "ms", "s"]);
const percent = (x) => `${(100 * x).toFixed(x < 0.0995 ? 1 : 0)} %`;

/* Lines of the source. */
const lines = new Map();
const lineKey = (source) => `${net.sources[source][0]}:${net.sources[source][1]}`;
function lineOf(key) {
  if (!lines.has(key)) {
    lines.set(key, { key, values: [], steps: new Set(), nanos: 0, error: undefined, places: new Map() });
  }
  return lines.get(key);
}

/** `net.rs:12`, without folders. */
function placeText(source) {
  const [file, line] = net.sources[source];
  const name = net.files[file].name.split(/[\\/]/).pop();
  return line > 0 ? `${name}:${line}` : "";
}
const sourceText = (source) => net.sources[source][3];
const originText = (source) => [placeText(source), sourceText(source)].filter(Boolean).join(" ");

const values = new Map();
const steps = new Map();
let totalNanos = 0;

net.units.forEach((unit, u) => {
  unit.nodes.forEach((node, v) => {
    const id = `${u}.${v}`;
    const value = { id, unit: u, number: v, ...node, line: lineKey(node.source) };
    values.set(id, value);
    const line = lineOf(value.line);
    line.values.push(id);
    line.places.set(node.source, true);
  });
  unit.steps.forEach((step, s) => {
    const id = `${u}.${s}`;
    const [flops, bytes, nanos] = (unit.costs && unit.costs[s]) || [0, 0, 0];
    const group = unit.groups[step.group];
    const members = group.nodes.map((v) => `${u}.${v}`);
    const made = { id, unit: u, number: s, ...step, groupName: group.name, values: members, flops, bytes, nanos };
    made.firstId = `${u}.${step.first}`;
    made.main = `${u}.${step.main}`;
    steps.set(id, made);
    totalNanos += made.nanos;
    for (const v of members) lineOf(values.get(v).line).steps.add(id);
    lineOf(values.get(made.main).line).nanos += made.nanos;
  });
});
for (const [source, , error] of (net.measured && net.measured.errors) || []) {
  const line = lineOf(lineKey(source));
  line.error = Math.max(line.error || 0, error);
}

/** The steps that compute a value. */
function stepsOf(valueId) {
  const value = values.get(valueId);
  if (!value || value.group < 0) return [];
  return net.units[value.unit].steps
    .map((step, s) => [step, `${value.unit}.${s}`])
    .filter(([step]) => step.group === value.group)
    .map(([, id]) => id);
}

/* A colour for each kernel: equal kernels have the same one, and the golden angle keeps the others apart. */
const kernels = [...new Set([...steps.values()].map((step) => step.firstId))];
const kernelNumbers = new Map(kernels.map((id, number) => [id, number]));
const hue = (step) => (kernelNumbers.get(step.firstId) * 137.508 + 30) % 360;

/* What is selected. Panes are told of every change. */
const selected = { lines: new Set(), values: new Set(), steps: new Set(), step: undefined, fragment: "" };
const listeners = [];
const onSelect = (listener) => listeners.push(listener);

/** Selects a `line`, a `value` or a `kernel`, and all that belongs to it. */
function select(kind, key, { keepKernel = false, from } = {}) {
  const found = { lines: new Set(), values: new Set(), steps: new Set() };
  if (kind === "line" && lines.has(key)) {
    const line = lines.get(key);
    found.lines.add(key);
    line.values.forEach((v) => found.values.add(v));
    line.steps.forEach((s) => found.steps.add(s));
  } else if (kind === "value" && values.has(key)) {
    found.values.add(key);
    found.lines.add(values.get(key).line);
    stepsOf(key).forEach((s) => found.steps.add(s));
  } else if (kind === "kernel" && steps.has(key)) {
    found.steps.add(key);
    for (const v of steps.get(key).values) {
      found.values.add(v);
      found.lines.add(values.get(v).line);
    }
  } else {
    kind = "";
  }
  Object.assign(selected, found);
  const slowest = [...found.steps].sort((a, b) => steps.get(b).nanos - steps.get(a).nanos)[0];
  if (!(keepKernel && found.steps.has(selected.step))) selected.step = slowest || selected.step;
  selected.fragment = kind ? `#${kind}=${fragmentOf(kind, key)}` : "";
  if (kind && location.hash !== selected.fragment) history.replaceState(null, "", selected.fragment);
  if (!kind && location.hash) history.replaceState(null, "", location.pathname + location.search);
  listeners.forEach((listener) => listener(from));
}

/** A line by file and number, kernels and values by number; those of bodies have the body before it. */
function fragmentOf(kind, key) {
  if (kind !== "line") return key.startsWith("0.") ? key.slice(2) : key;
  const [file, line] = key.split(":");
  return `${encodeURIComponent(net.files[file].name)}:${line}`;
}

/** Selects what a fragment names. */
function selectFragment(text) {
  const [, kind, rest] = /^#(line|value|kernel)=(.*)$/.exec(text) || [];
  if (!kind) return;
  if (kind === "line") {
    const [, name, line] = /^(.*):(\d+)$/.exec(rest) || [];
    const file = net.files.findIndex((f) => encodeURIComponent(f.name) === name || f.name === name);
    select("line", `${file}:${line}`);
  } else {
    select(kind, rest.includes(".") ? rest : `0.${rest}`);
  }
  const found = selected.fragment !== "";
  document.getElementById("notice").textContent = found ? "" : `This page has no ${kind} ${decodeURIComponent(rest)}.`;
}

/** Marks the elements of a pane that belong to the selection, by their `data-` attributes. */
function light(pane) {
  for (const element of pane.querySelectorAll("[data-line], [data-value], [data-step]")) {
    const { line, value, step } = element.dataset;
    const lit = selected.values.has(value) || selected.steps.has(step) || (!value && selected.lines.has(line));
    element.classList.toggle("lit", Boolean(lit));
  }
}

/** Brings the first marked element of a pane into view. */
function reveal(pane) {
  const first = pane.querySelector(".lit");
  if (!first) return;
  const [at, frame] = [first.getBoundingClientRect(), pane.getBoundingClientRect()];
  const seen = at.top >= frame.top && at.bottom <= frame.bottom;
  first.scrollIntoView({ block: seen ? "nearest" : "center", inline: "nearest" });
}
