/* The graph: boxes that fold, shapes on edges, kernels by colour. Dagre lays it out. */

const graphView = { unit: 0, mode: "nets", tree: undefined, x: 0, y: 0, scale: 1 };

function drawGraph(pane) {
  const choose = (text, mode) =>
    el("button", { type: "button", "data-mode": mode, onclick: () => setMode(mode) }, text);
  const units = el("select", { "aria-label": "Graph", onchange: (e) => setUnit(Number(e.target.value)) },
    net.units.map((unit, u) => el("option", { value: u }, unit.name || net.network)));
  const bar = el("div", { class: "bar-of-tools" },
    choose("by net", "nets"), choose("by kernel", "kernels"), net.units.length > 1 ? units : undefined,
    el("button", { type: "button", onclick: () => zoom(1.25) , "aria-label": "Larger" }, "+"),
    el("button", { type: "button", onclick: () => zoom(0.8), "aria-label": "Smaller" }, "−"),
    el("button", { type: "button", onclick: () => fitGraph(0) }, "fit"),
    el("span", { class: "hint" }, "Click: select, or fold a net."));
  const content = svg("g");
  const drawing = svg("svg", { class: "graph", role: "group", "aria-label": "Graph" },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
      svg("path", { d: "M0 0L8 4L0 8z" }))), content);
  pane.append(bar, drawing);
  Object.assign(graphView, { pane, drawing, content });

  const place = () => content.setAttribute("transform",
    `translate(${graphView.x} ${graphView.y}) scale(${graphView.scale})`);
  graphView.place = place;
  function zoom(by, cx = drawing.clientWidth / 2, cy = drawing.clientHeight / 2) {
    const scale = Math.min(Math.max(graphView.scale * by, 0.05), 4);
    graphView.x = cx - ((cx - graphView.x) * scale) / graphView.scale;
    graphView.y = cy - ((cy - graphView.y) * scale) / graphView.scale;
    graphView.scale = scale;
    place();
  }
  graphView.zoom = zoom;
  drawing.addEventListener("wheel", (e) => {
    e.preventDefault();
    const at = drawing.getBoundingClientRect();
    zoom(Math.exp(-e.deltaY / 400), e.clientX - at.left, e.clientY - at.top);
  }, { passive: false });
  let held;
  drawing.addEventListener("pointerdown", (e) => (held = [e.clientX - graphView.x, e.clientY - graphView.y, false]));
  addEventListener("pointermove", (e) => {
    if (!held) return;
    const [x, y] = [e.clientX - held[0], e.clientY - held[1]];
    if (Math.abs(x - graphView.x) + Math.abs(y - graphView.y) > 3) held[2] = true;
    if (held[2]) (graphView.x = x), (graphView.y = y), place();
  });
  addEventListener("pointerup", () => (held = undefined));
  onSelect(() => {
    showSelected();
    light(pane);
    lightFolded();
    if (!pane.hidden) centreSelected();
  });
  setMode("nets");
}

function setMode(mode) {
  graphView.mode = mode;
  graphView.tree = makeTree(graphView.unit, mode);
  for (const button of graphView.pane.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  }
  layOut();
  fitGraph(0.8);
}

function setUnit(unit) {
  graphView.unit = unit;
  setMode(graphView.mode);
}

/** Unfolds what the selection is in, unless that is too much; folded boxes light up instead. */
function showSelected() {
  const mine = [...selected.values].filter((v) => values.get(v).unit === graphView.unit);
  if (mine.length === 0 || mine.length > 3) return;
  let opened = false;
  for (const item of leaves(graphView.tree)) {
    if (!selected.values.has(item.value)) continue;
    for (let box = item.parent; box; box = box.parent) {
      if (!box.open) (box.open = true), (opened = true);
    }
  }
  if (opened) layOut();
}

const nodeLabel = (value) => (value.label === value.text ? `%${value.number}` : value.label);

function layOut() {
  const graph = new dagre.graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 34, edgesep: 10, marginx: 12, marginy: 12 });
  const shown = new Map();
  const seenAs = new Map();
  const visit = (item, parent, as) => {
    if (item.value) seenAs.set(item.number, as || item.id);
    if (!as && item !== graphView.tree) {
      const [width, height] = sizeOf(item);
      shown.set(item.id, item);
      graph.setNode(item.id, item.value || !item.open ? { width, height } : {});
      if (parent !== graphView.tree) graph.setParent(item.id, parent.id);
    }
    const folded = as || (!item.value && !item.open ? item.id : undefined);
    item.children.forEach((child) => visit(child, item, folded));
  };
  visit(graphView.tree, undefined, undefined);
  const edges = new Map();
  for (const leaf of leaves(graphView.tree)) {
    for (const arg of values.get(leaf.value).args) {
      const [from, to] = [seenAs.get(arg), seenAs.get(leaf.number)];
      if (!from || !to || from === to) continue;
      const key = `${from} ${to}`;
      if (!edges.has(key)) edges.set(key, { from, to, values: new Set() });
      edges.get(key).values.add(arg);
    }
  }
  for (const edge of edges.values()) {
    const types = [...edge.values].map((v) => net.units[graphView.unit].nodes[v].type.replace(/^f32(?=\[)/, ""));
    edge.label = types[0] + (types.length > 1 ? ` and ${types.length - 1} more` : "");
    graph.setEdge(edge.from, edge.to, { width: 6.2 * edge.label.length, height: 12, labelpos: "c" });
  }
  dagre.layout(graph);
  paintGraph(graph, shown, edges);
}

function sizeOf(item) {
  const [first, second] = textsOf(item);
  return [Math.max(7.4 * first.length, 6.6 * second.length, 50) + 22, second ? 38 : 24];
}

function textsOf(item) {
  if (!item.value) {
    const ops = leaves(item).length;
    return [`▸ ${item.label}`, item.note ? `${item.note}, ${ops} ops` : `${ops} ops`];
  }
  const value = values.get(item.value);
  const label = nodeLabel(value);
  const cutLabel = label.length > 34 ? `${label.slice(0, 33)}…` : label;
  return [value.op, cutLabel === value.op ? "" : cutLabel];
}

function paintGraph(graph, shown, edges) {
  const { content } = graphView;
  content.replaceChildren();
  const open = [...shown.values()].filter((item) => !item.value && item.open);
  const top = (item) => graph.node(item.id).y - graph.node(item.id).height / 2;
  const { before, after } = stretchBy(new Set(open.map(top)));
  // Edges run below headings.
  const headings = [];
  for (const item of open) {
    const node = graph.node(item.id);
    const [from, to] = [before(top(item)), after(top(item) + node.height)];
    const place = { ...node, y: (from + to) / 2, height: to - from };
    content.append(paintBox(item, place));
    headings.push(paintHeading(item, place));
  }
  const labels = [];
  for (const edge of edges.values()) {
    const placed = graph.edge(edge.from, edge.to);
    const [x, y] = [placed.x, after(placed.y)];
    const path = placed.points.map((p, i) => `${i ? "L" : "M"}${p.x.toFixed(1)} ${after(p.y).toFixed(1)}`).join("");
    content.append(svg("path", { class: "edge", d: path, "marker-end": "url(#arrow)" }));
    labels.push(
      svg("rect", { class: "under", x: x - 3.1 * edge.label.length, y: y - 6, width: 6.2 * edge.label.length, height: 12 }),
      svg("text", { class: "shape", x, y: y + 3.5 }, edge.label));
  }
  content.append(...labels);
  for (const item of shown.values()) {
    const node = graph.node(item.id);
    if (item.value || !item.open) content.append(paintNode(item, { ...node, y: after(node.y) }));
  }
  const { width, height } = graph.graph();
  const first = [...shown.values()].find((item) => item.value || !item.open);
  Object.assign(graphView, { width, height: after(height), start: first ? graph.node(first.id).x : width / 2 });
  content.append(...headings);
  light(graphView.pane);
  lightFolded();
  graphView.place();
}

/** A folded box is marked with what is in it. */
function lightFolded() {
  for (const folded of graphView.content.querySelectorAll(".folded")) {
    folded.classList.toggle("lit", folded.inside.some((v) => selected.values.has(v)));
  }
}

function toggle(item) {
  item.open = !item.open;
  layOut();
}

const pressed = (act) => (e) => {
  if (e.key === "Enter" || e.key === " ") e.preventDefault(), e.stopPropagation(), act();
};

const HEAD = 18;

/** Dagre leaves no room for the headings of boxes: all that lies below the top of an open box moves down by one. */
function stretchBy(tops) {
  const sorted = [...tops].sort((a, b) => a - b);
  const before = (y) => {
    let count = 0;
    while (count < sorted.length && sorted[count] < y - 0.01) count++;
    return y + HEAD * count;
  };
  const after = (y) => before(y + 0.02) - 0.02;
  return { before, after };
}

function paintBox(item, { x, y, width, height }) {
  const act = () => (item.step ? select("kernel", item.step) : toggle(item));
  return svg("g", { class: "box", tabindex: 0, role: "button", "aria-label": `fold ${item.label}`, "data-step": item.step,
    style: item.step ? { "--hue": hue(steps.get(item.step)) } : {}, onclick: act, ondblclick: () => toggle(item), onkeydown: pressed(act) },
  svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 6 }));
}

const paintHeading = (item, { x, y, width, height }) =>
  svg("text", { class: "heading", x: x - width / 2 + 8, y: y - height / 2 + 13 }, item.step ? item.label : `▾ ${item.label}`);

function paintNode(item, { x, y, width, height }) {
  const [first, second] = textsOf(item);
  const value = item.value && values.get(item.value);
  const step = value ? stepsOf(item.value).pop() : item.step;
  const act = () => {
    if (value) select("value", item.value, { keepKernel: true });
    else if (item.step) select("kernel", item.step);
    else toggle(item);
  };
  const made = svg("g", {
    class: value ? "op" : "folded", tabindex: 0, role: "button", "aria-label": `${first} ${second}`, "data-value": item.value,
    style: step ? { "--hue": hue(steps.get(step)) } : {}, onclick: act, onkeydown: pressed(act),
    ondblclick: () => value || toggle(item),
  },
  svg("title", {}, value ? `${value.text}\n${originText(value.source)}` : item.label),
  svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 5, class: step ? "in-kernel" : "" }),
  svg("text", { class: "name", x, y: second ? y - 3 : y + 4 }, first),
  second ? svg("text", { class: "sub", x, y: y + 12 }, second) : undefined);
  if (!value) made.inside = leaves(item).map((leaf) => leaf.value);
  return made;
}

/** Shows all of the graph, or as much of it as there is room for at a scale. */
function fitGraph(least) {
  const { drawing, width, height } = graphView;
  if (!width || !drawing.clientWidth) return;
  // Small text cannot be read: what is too large is moved along.
  const scale = Math.min(drawing.clientWidth / width, drawing.clientHeight / height);
  graphView.scale = Math.min(Math.max(scale, least), 1.2);
  const spare = drawing.clientWidth - width * graphView.scale;
  // Where there is no room for all of it, it begins with what comes first.
  graphView.x = spare > 0 ? spare / 2 : drawing.clientWidth / 2 - graphView.start * graphView.scale;
  graphView.y = 24;
  graphView.place();
}

function centreSelected() {
  const lit = graphView.content.querySelector(".op.lit, .folded.lit");
  if (!lit) return;
  const [at, frame] = [lit.getBoundingClientRect(), graphView.drawing.getBoundingClientRect()];
  const inside = at.left >= frame.left && at.right <= frame.right && at.top >= frame.top && at.bottom <= frame.bottom;
  if (inside) return;
  graphView.x += frame.left + frame.width / 2 - (at.left + at.width / 2);
  graphView.y += frame.top + frame.height / 2 - (at.top + at.height / 2);
  graphView.place();
}
