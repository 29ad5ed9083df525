/* One kernel: its ops, what it reads and writes, its spec, vector programs, Cranelift's IR and machine code. */

const kernelView = { tab: "Assembly", step: undefined };

function drawKernel(pane) {
  kernelView.pane = pane;
  onSelect((from) => {
    if (kernelView.step !== selected.step) showKernel();
    light(pane);
    if (from !== pane) reveal(pane.querySelector(".listing") || pane);
  });
  selected.step = [...steps.values()].sort((a, b) => b.nanos - a.nanos).map((s) => s.id)[0];
  showKernel();
}

function showKernel() {
  const { pane } = kernelView;
  kernelView.step = selected.step;
  const step = steps.get(selected.step);
  if (!step) {
    pane.replaceChildren(el("p", { class: "hint" }, "The network has no kernels."));
    return;
  }
  const unit = net.units[step.unit];
  const facts = [];
  if (step.nanos) {
    const bound = boundOf(step);
    facts.push(`${nanosText(step.nanos)} a run, ${percent(step.nanos / totalNanos)} of the time`);
    if (step.flops) facts.push(`${digits(step.flops / step.nanos)} GFLOP/s`);
    facts.push(`${digits(step.bytes / step.nanos)} GB/s`, `${percent(bound.reached)} of its ${bound.by} bound`);
  }
  if (step.flops) facts.push(withUnit(step.flops, ["flop", "kflop", "Mflop", "Gflop", "Tflop"]));
  if (step.bytes) facts.push(bytesText(step.bytes));
  const equal = unit.steps.flatMap((other, s) => (other.first === step.first && s !== step.number ? [s] : []));
  if (equal.length) facts.push(`the same code as ${equal.length} other ${equal.length === 1 ? "step" : "steps"}`);
  const head = el("div", { class: "kernel-head", style: { "--hue": hue(step) } },
    el("div", { class: "walk" },
      el("button", { type: "button", "aria-label": "The kernel before", onclick: () => moveKernel(-1) }, "‹"),
      el("h2", {}, `step ${step.number}${unit.name ? ` of ${unit.name}` : ""} · ${step.name}`),
      el("button", { type: "button", "aria-label": "The next kernel", onclick: () => moveKernel(1) }, "›")),
    el("p", {}, facts.join(" · ")));
  const listing = el("div", { class: "listing" });
  const parts = { Ops: kernelOps, Buffers: kernelUses, Spec: kernelSpec, Programs: kernelPrograms, CLIF: (s) => kernelCode(s, "clif"), Assembly: (s) => kernelCode(s, "asm") };
  const show = (name) => {
    kernelView.tab = name;
    tabs.querySelectorAll("[role=tab]").forEach((tab) => markTab(tab, tab.textContent === name));
    listing.replaceChildren(...[parts[name](step)].flat());
    light(listing);
  };
  const tabs = makeTabs("What is known of the kernel", Object.keys(parts), show);
  pane.replaceChildren(head, tabs, listing);
  show(kernelView.tab);
}

/** Selects the next kernel of the run, or the one before. */
function moveKernel(by) {
  const all = [...steps.keys()];
  const at = all.indexOf(selected.step) + by;
  if (all[at]) select("kernel", all[at]);
}

function kernelOps(step) {
  const unit = net.units[step.unit];
  const rows = step.values.map((id) => {
    const value = values.get(id);
    return irLine(value.text, value.source, { "data-value": id, tabindex: 0, onclick: () => select("value", id, { keepKernel: true, from: kernelView.pane }) });
  });
  const declined = unit.declined.filter(([consumer, producer]) => [consumer, producer].some((v) => unit.nodes[v].group === step.group));
  const reasons = declined.map(([consumer, producer, reason]) => {
    const id = `${step.unit}.${consumer}`;
    return el("p", { class: "reason", "data-value": id, onclick: () => select("value", id) },
      `Not fused: ${unit.nodes[consumer].label} into the kernel of ${unit.nodes[producer].label}, because ${reason}.`);
  });
  return [el("div", { class: "code" }, rows), ...reasons];
}

function kernelUses(step) {
  const rows = step.uses.map(([verb, buffer, place]) => {
    const [, number] = /%(\d+)/.exec(buffer) || [];
    const id = number === undefined ? undefined : `${step.unit}.${number}`;
    const value = values.get(id);
    return el("tr", { "data-value": id, tabindex: 0, onclick: () => value && select("value", id) },
      el("td", {}, verb), el("td", {}, value ? `${buffer} ${value.label}` : buffer), el("td", {}, value ? value.type : ""), el("td", {}, place));
  });
  return [el("table", {}, el("tbody", {}, rows)), el("p", { class: "hint" }, `Threads: ${step.threads}; then a barrier.`)];
}

const kernelSpec = (step) => el("pre", {}, step.spec);

function kernelPrograms(step) {
  const first = steps.get(step.firstId);
  return first.programs ? el("pre", {}, first.programs) : el("p", { class: "hint" }, "It runs its bodies and has no code of its own.");
}

/** The lines of the functions that a step runs. */
function kernelCode(step, which) {
  const unit = net.units[step.unit];
  const functions = unit.functions.filter((f) => f.steps.includes(step.number));
  if (!functions.length) return el("p", { class: "hint" }, "It runs its bodies and has no code of its own.");
  return functions.flatMap((f) => {
    const same = ownValues(unit, step, f);
    const rows = f[which].map(([text, number]) => codeLine(step, text, number === null ? undefined : same(number)));
    const none = which === "clif" ? "This program was made by the x86 emitter, without Cranelift's IR." : "No code.";
    return [el("h3", {}, f.name), el("div", { class: "code wide" }, rows.length ? longList(rows) : el("p", { class: "hint" }, none))];
  });
}

/** A function's values are those of the first step that runs it; equal steps have values of their own. */
function ownValues(unit, step, f) {
  const [theirs, own] = [f.steps[0], step.number].map((s) => unit.groups[unit.steps[s].group].nodes);
  const numbers = new Map(theirs.length === own.length ? theirs.map((v, i) => [v, own[i]]) : []);
  return (number) => `${step.unit}.${numbers.has(number) ? numbers.get(number) : number}`;
}

function codeLine(step, text, id) {
  const value = id && values.get(id);
  if (!value) return el("div", { class: "line" }, el("span", { class: "text" }, text || " "));
  return el("div", { class: "line has-ops", "data-value": id, title: value.text, onclick: () => select("value", id, { keepKernel: true, from: kernelView.pane }) },
    el("span", { class: "text" }, text), el("span", { class: "origin" }, originText(value.source)));
}
