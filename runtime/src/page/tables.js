/* Texts and tables: IR before and after each pass, all kernels, times of compiling. */

/** A list of lines in parts of which only those in view are laid out. */
function longList(rows) {
  const parts = [];
  for (let i = 0; i < rows.length; i += 100) parts.push(el("div", { class: "part", style: { "--rows": Math.min(100, rows.length - i) } }, rows.slice(i, i + 100)));
  return parts;
}

function drawIr(pane) {
  const options = [];
  net.units.forEach((unit, u) => {
    const of = unit.name ? `${unit.name}: ` : "";
    unit.passes.forEach((pass, p) => {
      const [more, less] = ["+", "-"].map((sign) => pass.lines.filter((line) => line[0] === sign).length);
      const change = p === 0 ? `${pass.lines.length} ops` : pass.lines.length ? `+${more} −${less}` : "–";
      options.push([`${of}${pass.name}`, change, () => irLines(unit, u, p)]);
    });
    options.push([`${of}in kernels`, `${unit.groups.length} kernels`, () => fusedLines(u)]);
  });
  const text = el("div", { class: "code wide" });
  const list = el("div", { class: "stages", role: "listbox", "aria-label": "Stages" });
  const show = (i) => {
    list.querySelectorAll("button").forEach((button, n) => button.setAttribute("aria-pressed", String(n === i)));
    text.replaceChildren(...longList(options[i][2]()));
    light(text);
  };
  options.forEach(([name, change], i) => {
    const quiet = change === "–";
    list.append(el("button", { type: "button", class: quiet ? "quiet" : "", title: quiet ? `${name} changed nothing` : name, onclick: () => show(i) }, el("span", {}, name), el("small", {}, change)));
  });
  pane.append(el("div", { class: "side-by-side" }, list, text));
  show(options.findIndex(([name]) => name.endsWith("in kernels")));
  onSelect((from) => {
    light(text);
    if (from !== pane && !pane.hidden) reveal(text);
  });
}

/** A line of IR, with its source behind it. */
function irLine(text, source, attributes, sign = " ") {
  const kind = { "+": " added", "-": " gone" }[sign] || "";
  return el("div", { class: `line${kind}`, tabindex: -1, ...attributes },
    el("span", { class: "sign" }, sign), el("span", { class: "text" }, text),
    el("span", { class: "origin" }, originText(source)));
}

function irLines(unit, u, p) {
  // A pass that changed nothing left what was there before.
  let at = p;
  while (at > 0 && unit.passes[at].lines.length === 0) at--;
  const same = at === p;
  return unit.passes[at].lines
    .filter(([sign]) => same || sign !== "-")
    .map(([sign, text, source]) => {
      const key = lineKey(source);
      return irLine(text, source, { "data-line": key, onclick: () => select("line", key) }, same ? sign : " ");
    });
}

function fusedLines(u) {
  const unit = net.units[u];
  const rows = [];
  unit.groups.forEach((group, g) => {
    const step = unit.steps.findIndex((s) => s.group === g);
    const id = `${u}.${step}`;
    rows.push(el("div", { class: "line head", "data-step": id, onclick: () => select("kernel", id), style: step < 0 ? {} : { "--hue": hue(steps.get(id)) } },
      el("span", { class: "sign" }, " "), el("span", { class: "text" }, `kernel ${g} ${group.name}`)));
    for (const v of group.nodes) {
      const node = unit.nodes[v];
      rows.push(irLine(`  ${node.text}`, node.source, { "data-value": `${u}.${v}`, onclick: () => select("value", `${u}.${v}`) }));
    }
  });
  for (const [consumer, producer, reason] of unit.declined) {
    const node = unit.nodes[consumer];
    rows.push(irLine(`not fused: ${node.label} into the kernel of ${unit.nodes[producer].label}: ${reason}`, node.source,
      { "data-value": `${u}.${consumer}`, onclick: () => select("value", `${u}.${consumer}`) }));
  }
  return rows;
}

/** What bounds a step, and the share of the bound that it reaches. */
function boundOf(step) {
  if (!net.measured || !step.nanos) return undefined;
  const [gflops, gbytes] = net.measured.roof;
  const [compute, memory] = [step.flops / gflops, step.bytes / gbytes];
  return { by: compute >= memory ? "compute" : "memory", reached: Math.max(compute, memory) / step.nanos };
}

function drawKernels(pane) {
  const rows = [...steps.values()];
  const columns = [
    ["step", (s) => s.number, (s) => (s.unit ? `${net.units[s.unit].name}, ${s.number}` : s.number)],
    ["kernel", (s) => s.name, (s) => s.name],
    ["line", (s) => values.get(s.main).line, (s) => originText(values.get(s.main).source)],
    ["time", (s) => s.nanos, (s) => (s.nanos ? nanosText(s.nanos) : "")],
    ["share", (s) => s.nanos, (s) => (s.nanos ? percent(s.nanos / totalNanos) : "")],
    ["GFLOP/s", (s) => s.flops / (s.nanos || Infinity), (s) => (s.flops && s.nanos ? digits(s.flops / s.nanos) : "")],
    ["GB/s", (s) => s.bytes / (s.nanos || Infinity), (s) => (s.nanos ? digits(s.bytes / s.nanos) : "")],
    ["bound", (s) => (boundOf(s) || {}).reached || 0, (s) => (boundOf(s) ? `${percent(boundOf(s).reached)} ${boundOf(s).by}` : "")],
  ].filter((column, i) => net.measured || i < 3);
  const body = el("tbody");
  const draw = (by, down) => {
    const key = columns[by][1];
    const sorted = [...rows].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1));
    body.replaceChildren(...sorted.map((s) => el("tr", { "data-step": s.id, tabindex: 0, style: { "--hue": hue(s) }, onclick: () => select("kernel", s.id), onkeydown: pressed(() => select("kernel", s.id)) },
      columns.map(([name, , text]) => el("td", { class: name }, String(text(s)))))));
    heads.forEach((head, i) => head.setAttribute("aria-sort", i === by ? (down ? "descending" : "ascending") : "none"));
    light(pane);
  };
  let [by, down] = net.measured ? [3, true] : [0, false];
  const heads = columns.map(([name], i) =>
    el("th", {}, el("button", { type: "button", onclick: () => ((down = i === by ? !down : i > 2), draw((by = i), down)) }, name)));
  pane.append(el("table", {}, el("thead", {}, el("tr", {}, heads)), body));
  draw(by, down);
  onSelect(() => {
    light(pane);
    if (!pane.hidden) reveal(pane);
  });
}

function drawTimes(pane) {
  const most = Math.max(...net.times.map(([, t]) => t), 1);
  pane.append(el("p", { class: "hint" }, `Compiling took ${nanosText(1000 * net.compileMicros)}. Passes and the code of each kernel were measured again, one by one.`),
    el("table", {}, el("tbody", {}, net.times.map(([what, micros]) => el("tr", {},
      el("td", {}, what), el("td", { class: "time" }, nanosText(1000 * micros)),
      el("td", { class: "bars" }, el("span", { class: "bar", style: { width: `${(100 * micros) / most}%` } })))))));
}
