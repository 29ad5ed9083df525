/* The page as a whole: tabs, keys, search, theme, and the fragment of the address. */

/** A row of tabs that arrows move along. */
function makeTabs(label, names, show) {
  const row = el("div", { class: "tabs", role: "tablist", "aria-label": label });
  names.forEach((name) => row.append(el("button", { type: "button", role: "tab", onclick: () => show(name) }, name)));
  row.addEventListener("keydown", (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    const at = [...row.children].indexOf(document.activeElement);
    if (!by || at < 0) return;
    const next = row.children[(at + by + names.length) % names.length];
    next.focus();
    next.click();
  });
  return row;
}

function markTab(tab, is) {
  tab.setAttribute("aria-selected", String(is));
  tab.tabIndex = is ? 0 : -1;
}

const views = { Graph: drawGraph, IR: drawIr, Kernels: drawKernels, Memory: drawMemory, Roofline: drawRoofline, Threads: drawThreads, Compiling: drawTimes };

/** Shows a view of the network. Each is drawn when it is first seen. */
function showView(name) {
  const panes = document.getElementById("panes");
  document.querySelectorAll("#tabs [role=tab]").forEach((tab) => markTab(tab, tab.textContent === name));
  for (const pane of panes.children) pane.hidden = pane.dataset.view !== name;
  if (![...panes.children].some((pane) => pane.dataset.view === name)) {
    const pane = el("div", { class: "pane", role: "tabpanel", "data-view": name, "aria-label": name });
    panes.append(pane);
    views[name](pane);
  }
  const pane = [...panes.children].find((p) => p.dataset.view === name);
  light(pane);
  if (name === "Graph") centreSelected();
  else reveal(pane);
}

function drawHeader() {
  document.getElementById("name").textContent = net.entry ? `${net.network}.${net.entry}` : net.network;
  const facts = [
    ...net.dims.map(([name, n]) => `${name} = ${n}`),
    `${net.target}, ${net.threads} ${net.threads === 1 ? "thread" : "threads"}`,
    `${net.units[0].steps.length} steps, ${net.kernels} different kernels`,
    net.measured ? `${nanosText(totalNanos)} a run, the median of ${net.measured.runs} from ${net.measured.spread.map(nanosText).join(" to ")}` : undefined,
    `${bytesText(net.memory.arena)} between steps`,
    `compiled in ${nanosText(1000 * net.compileMicros)}`,
  ];
  document.getElementById("facts").append(...facts.filter(Boolean).map((fact) => el("li", {}, fact)));
}

/** Everything that can be found: text, where it leads, and of what kind it is. */
function searchable() {
  const all = [];
  for (const [key, line] of lines) {
    for (const source of line.places.keys()) all.push([originText(source), "line", key]);
  }
  net.files.forEach((file, f) => (file.lines || []).forEach((text, i) => {
    const key = `${f}:${file.first + i}`;
    if (lines.has(key)) all.push([`${file.name.split(/[\\/]/).pop()}:${file.first + i} ${text.trim()}`, "line", key]);
  }));
  for (const step of steps.values()) all.push([`step ${step.number} ${step.name}`, "kernel", step.id]);
  for (const value of values.values()) all.push([value.text, "value", value.id]);
  net.units.forEach((unit, u) => {
    for (const f of unit.functions) {
      for (const which of ["asm", "clif"]) {
        for (const [text] of f[which]) all.push([`${f.name}: ${text.trim()}`, "kernel", `${u}.${f.steps[0]}`]);
      }
    }
  });
  return all;
}

function setUpSearch() {
  const [input, found] = ["search", "found"].map((id) => document.getElementById(id));
  let all;
  const close = () => (found.hidden = true);
  const choose = ([, kind, key]) => (close(), select(kind, key));
  let hits = [];
  input.addEventListener("input", () => {
    all = all || searchable();
    const wanted = input.value.trim().toLowerCase();
    hits = [];
    for (const entry of all) {
      if (!wanted || hits.length >= 40) break;
      if (entry[0].toLowerCase().includes(wanted)) hits.push(entry);
    }
    found.replaceChildren(...(hits.length || !wanted ? hits : [["nothing is called so", "", ""]]).map((hit) =>
      el("li", {}, el("button", { type: "button", disabled: !hit[1], onclick: () => choose(hit) }, el("small", {}, hit[1]), hit[0]))));
    found.hidden = !wanted;
  });
  input.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && hits.length) choose(hits[0]);
    if (e.key === "Escape") close(), input.blur();
    if (e.key === "ArrowDown" && found.querySelector("button")) found.querySelector("button").focus();
  });
  found.addEventListener("keydown", (e) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    const buttons = [...found.querySelectorAll("button")];
    if (e.key === "Escape") close(), input.focus();
    if (!by) return;
    e.preventDefault();
    (buttons[buttons.indexOf(document.activeElement) + by] || input).focus();
  });
  document.addEventListener("click", (e) => {
    if (!document.getElementById("find").contains(e.target)) close();
  });
}

const KEYS = [
  ["1 … 7", "a view of the network", (key) => showView(Object.keys(views)[Number(key) - 1])],
  ["j, k", "the next line of the source, the one before", (key) => moveLine(key === "j" ? 1 : -1)],
  ["n, p", "the next kernel of the run, the one before", (key) => moveKernel(key === "n" ? 1 : -1)],
  ["g", "the graph by net or by kernel", () => (showView("Graph"), setMode(graphView.mode === "nets" ? "kernels" : "nets"))],
  ["t", "light or dark", () => toggleTheme()],
  ["/", "search", () => document.getElementById("search").focus()],
  ["?", "this list", () => document.getElementById("help").showModal()],
  ["Esc", "nothing selected", () => select("", "")],
];
const KEY_OF = { 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 0, j: 1, k: 1, n: 2, p: 2, g: 3, t: 4, "/": 5, "?": 6, Escape: 7 };

function setUpKeys() {
  const help = document.getElementById("help");
  help.append(el("h2", {}, "Keys"), el("dl", {}, KEYS.map(([key, what]) => [el("dt", {}, key), el("dd", {}, what)]).flat()),
    el("p", { class: "hint" }, "A click on a line, an op, a kernel or an instruction selects all that belongs to it. The address then leads back to it."),
    el("form", { method: "dialog" }, el("button", {}, "close")));
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (e) => {
    const focus = document.activeElement;
    if (e.ctrlKey || e.altKey || e.metaKey || help.open) return;
    if (focus && ["INPUT", "SELECT"].includes(focus.tagName)) return;
    if ((e.key === "Enter" || e.key === " ") && focus && focus.dataset.line) {
      e.preventDefault();
      select("line", focus.dataset.line);
      return;
    }
    const at = KEY_OF[e.key];
    if (at === undefined) return;
    e.preventDefault();
    KEYS[at][2](e.key);
  });
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

drawHeader();
drawSource(document.getElementById("source"));
drawKernel(document.getElementById("kernel"));
document.getElementById("tabs").replaceWith(Object.assign(makeTabs("Views of the network", Object.keys(views), showView), { id: "tabs" }));
showView("Graph");
setUpSearch();
setUpKeys();
document.getElementById("theme").addEventListener("click", toggleTheme);
addEventListener("hashchange", () => location.hash !== selected.fragment && selectFragment(location.hash));
if (location.hash) selectFragment(location.hash);
else light(document.body);
