/* Drawings: memory over the steps of a run, the roofline, and the threads of the last run. */

const roomIn = (pane) => Math.max(pane.clientWidth - 32, 420);

function drawMemory(pane) {
  const unit = net.units[0];
  const { arena, results, states, packed } = net.memory;
  pane.append(el("dl", { class: "facts" },
    ...[["between steps, at the peak", arena], ["results", results], ["states", states], ["packed weights", packed]]
      .map(([name, n]) => [el("dt", {}, name), el("dd", {}, bytesText(n))]).flat()));
  const blocks = unit.blocks;
  if (!blocks.length) {
    pane.append(el("p", { class: "hint" }, "Nothing lies between the steps of a run."));
    return;
  }
  const count = unit.steps.length;
  const top = Math.max(...blocks.map((b) => b.offset + b.bytes));
  const alive = Array.from({ length: count }, (_, s) => blocks.filter((b) => b.first <= s && s <= b.last).reduce((sum, b) => sum + b.bytes, 0));
  const peak = alive.indexOf(Math.max(...alive));
  const [width, height, left, bottom] = [Math.max(roomIn(pane), 6 * count), 360, 70, 28];
  const x = (step) => left + ((width - left - 10) * step) / count;
  const y = (at) => height - bottom - ((height - bottom - 14) * at) / top;
  const drawing = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Memory over the steps of a run" });
  for (let i = 0; i <= 4; i++) {
    drawing.append(svg("line", { class: "grid", x1: left, x2: width - 10, y1: y((top * i) / 4), y2: y((top * i) / 4) }),
      svg("text", { class: "tick end", x: left - 6, y: y((top * i) / 4) + 4 }, bytesText(Math.round((top * i) / 4))));
  }
  drawing.append(svg("rect", { class: "peak", x: x(peak), width: x(peak + 1) - x(peak), y: 6, height: height - bottom - 6 }));
  const describe = (b) => {
    const names = b.values.map((v) => unit.nodes[v].label).join(", ") || "working memory";
    return `${names}: ${bytesText(b.bytes)}${b.perThread ? " for all threads" : ""}, steps ${b.first} to ${b.last}`;
  };
  for (const b of blocks) {
    const value = b.values.length ? `0.${b.values[0]}` : undefined;
    const owner = steps.get(`0.${b.first}`);
    const act = () => (value ? select("value", value) : select("kernel", owner.id));
    drawing.append(svg("rect", {
      class: `block${value ? "" : " scratch"}`, x: x(b.first) + 0.5, width: Math.max(x(b.last + 1) - x(b.first) - 1, 1), y: y(b.offset + b.bytes),
      height: Math.max(y(b.offset) - y(b.offset + b.bytes), 1), "data-value": value, "data-step": value ? undefined : owner.id,
      style: { "--hue": hue(owner) }, tabindex: 0, role: "button", "aria-label": describe(b), onclick: act, onkeydown: pressed(act),
    }, svg("title", {}, describe(b))));
  }
  for (let s = 0; s < count; s += Math.ceil(count / 24)) {
    drawing.append(svg("text", { class: "tick mid", x: (x(s) + x(s + 1)) / 2, y: height - 10 }, String(s)));
  }
  const step = steps.get(`0.${peak}`);
  const at = blocks.filter((b) => b.first <= peak && peak <= b.last).sort((a, b) => b.bytes - a.bytes);
  fill(pane, {}, [el("div", { class: "scroll" }, drawing),
    el("h3", {}, `Most is alive in step ${peak}, ${step.name}: ${bytesText(alive[peak])}`),
    alive[peak] < top ? el("p", { class: "hint" }, `The blocks lie in ${bytesText(top)}: what is between them is free in that step.`) : undefined,
    el("table", {}, el("tbody", {}, at.map((b) => {
      const node = b.values.length ? unit.nodes[b.values[0]] : undefined;
      const act = () => (node ? select("value", `0.${b.values[0]}`) : select("kernel", step.id));
      return el("tr", { "data-value": node && `0.${b.values[0]}`, "data-step": node ? undefined : step.id, tabindex: 0, onclick: act, onkeydown: pressed(act) },
        el("td", { class: "time" }, bytesText(b.bytes)), el("td", {}, node ? node.label : `working memory${b.perThread ? " of all threads" : ""}`),
        el("td", { class: "span" }, `steps ${b.first} to ${b.last}`), el("td", { class: "line" }, node ? originText(node.source) : ""));
    })))]);
  onSelect(() => light(pane));
}

function drawRoofline(pane) {
  if (!net.measured) {
    pane.append(el("p", { class: "hint" }, "Nothing was measured. Session::report runs the network and measures its kernels and the machine."));
    return;
  }
  const [gflops, gbytes] = net.measured.roof;
  const all = [...steps.values()].filter((s) => s.nanos > 0);
  const points = all.filter((s) => s.flops > 0);
  const moving = all.filter((s) => s.flops === 0);
  pane.append(el("p", { class: "hint" }, `The machine does ${digits(gflops)} GFLOP/s and ${digits(gbytes)} GB/s on ${net.threads} threads. The area of a point is its share of the time.`));
  const [width, height, left, bottom] = [roomIn(pane), 420, 60, 44];
  const intensity = (s) => s.flops / Math.max(s.bytes, 1);
  const ridge = gflops / gbytes;
  const logs = (list) => [Math.min(...list), Math.max(...list)].map(Math.log10);
  const [x0, x1] = logs([...points.map(intensity), ridge / 8, ridge * 8]).map((v, i) => (i ? v + 0.2 : v - 0.2));
  const [y0, y1] = logs([...points.map((s) => s.flops / s.nanos), gflops, gflops / 100]).map((v, i) => (i ? v + 0.15 : v - 0.15));
  const x = (v) => left + ((Math.log10(v) - x0) / (x1 - x0)) * (width - left - 12);
  const y = (v) => height - bottom - ((Math.log10(v) - y0) / (y1 - y0)) * (height - bottom - 12);
  const drawing = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Roofline" });
  for (let e = Math.ceil(x0); e <= x1; e++) {
    drawing.append(svg("line", { class: "grid", x1: x(10 ** e), x2: x(10 ** e), y1: 8, y2: height - bottom }), svg("text", { class: "tick mid", x: x(10 ** e), y: height - bottom + 16 }, String(10 ** e)));
  }
  for (let e = Math.ceil(y0); e <= y1; e++) {
    drawing.append(svg("line", { class: "grid", x1: left, x2: width - 12, y1: y(10 ** e), y2: y(10 ** e) }), svg("text", { class: "tick end", x: left - 6, y: y(10 ** e) + 4 }, String(10 ** e)));
  }
  const from = Math.max(10 ** x0, 10 ** y0 / gbytes);
  drawing.append(svg("path", { class: "roof", d: `M${x(from)} ${y(from * gbytes)}L${x(ridge)} ${y(gflops)}L${width - 12} ${y(gflops)}` }),
    svg("text", { class: "tick mid", x: (left + width) / 2, y: height - 8 }, "floating-point operations a byte"),
    svg("text", { class: "tick", x: left + 6, y: 20 }, "GFLOP/s"));
  for (const s of points.sort((a, b) => b.nanos - a.nanos)) {
    const act = () => select("kernel", s.id);
    const bound = boundOf(s);
    const text = `step ${s.number} ${s.name}: ${nanosText(s.nanos)}, ${digits(s.flops / s.nanos)} GFLOP/s, ${percent(bound.reached)} of the ${bound.by} bound`;
    drawing.append(svg("circle", { class: "point", cx: x(intensity(s)), cy: y(s.flops / s.nanos), r: 4 + 18 * Math.sqrt(s.nanos / totalNanos), "data-step": s.id,
      style: { "--hue": hue(s) }, tabindex: 0, role: "button", "aria-label": text, onclick: act, onkeydown: pressed(act) }, svg("title", {}, text)));
  }
  pane.append(el("div", { class: "scroll" }, drawing));
  if (moving.length) {
    pane.append(el("h3", {}, "Kernels without matrix products, against the bandwidth"),
      el("table", {}, el("tbody", {}, moving.sort((a, b) => b.nanos - a.nanos).map((s) => {
        const share = s.bytes / s.nanos / gbytes;
        return el("tr", { "data-step": s.id, tabindex: 0, onclick: () => select("kernel", s.id), onkeydown: pressed(() => select("kernel", s.id)), style: { "--hue": hue(s) } },
          el("td", {}, String(s.number)), el("td", { class: "kernel" }, s.name), el("td", { class: "time" }, nanosText(s.nanos)), el("td", { class: "time" }, `${digits(s.bytes / s.nanos)} GB/s`),
          el("td", { class: "bars" }, el("span", { class: "bar", style: { width: `${Math.min(100 * share, 100)}%` } })), el("td", { class: "time" }, percent(share)));
      }))));
  }
  onSelect(() => light(pane));
}

function drawThreads(pane) {
  const spans = net.measured ? net.measured.spans : [];
  if (!spans.length) {
    pane.append(el("p", { class: "hint" }, "Nothing was measured. Session::report runs the network and measures its kernels and the machine."));
    return;
  }
  const end = Math.max(...spans.map((s) => s[3]));
  const threads = Math.max(...spans.map((s) => s[1])) + 1;
  const [width, left, row] = [Math.max(roomIn(pane), 3 * net.units[0].steps.length), 70, 44];
  const height = threads * row + 34;
  const x = (t) => left + ((width - left - 12) * t) / end;
  const drawing = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Threads of the last run" });
  for (let thread = 0; thread < threads; thread++) {
    drawing.append(svg("text", { class: "tick end", x: left - 8, y: thread * row + 26 }, `thread ${thread}`));
  }
  for (const [number, thread, begin, until] of spans) {
    const step = steps.get(`0.${number}`);
    if (!step) continue;
    const act = () => select("kernel", step.id);
    drawing.append(svg("rect", { class: "block", x: x(begin), width: Math.max(x(until) - x(begin), 1), y: thread * row + 6, height: row - 12, "data-step": step.id,
      style: { "--hue": hue(step) }, tabindex: 0, role: "button", "aria-label": step.name, onclick: act, onkeydown: pressed(act) },
    svg("title", {}, `step ${number} ${step.name}\n${nanosText(until - begin)} on thread ${thread}`)));
  }
  for (let i = 0; i <= 5; i++) {
    drawing.append(svg("text", { class: i === 5 ? "tick end" : "tick mid", x: x((end * i) / 5), y: height - 8 }, i ? nanosText((end * i) / 5) : "0"));
  }
  pane.append(el("p", { class: "hint" }, "The run whose time is the median. A thread that is missing had no part in it. Profile::trace_json gives the last run for Perfetto."), el("div", { class: "scroll" }, drawing));
  onSelect(() => light(pane));
}
