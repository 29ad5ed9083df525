/* The graph as a tree of boxes: nets in nets, or the ops of a kernel in one box. Equal blocks that follow each
   other are one box behind the first, and long lists of ops are cut into boxes. */

const CHUNK = 40;
const VISIBLE = 60;

/** Whether a value is no part of a run: a weight, a constant, or what follows from them alone. */
function constantValues(unit) {
  const constant = [];
  unit.nodes.forEach((node, v) => {
    const is = ["weight", "const", "constant", "dim"].includes(node.op)
      || (node.group < 0 && node.args.length > 0 && node.args.every((a) => constant[a]));
    constant[v] = is;
  });
  return constant;
}

function makeTree(u, mode) {
  const unit = net.units[u];
  const root = { id: "root", label: "", children: [], open: true };
  const constant = constantValues(unit);
  const boxes = new Map([["", root]]);
  const box = (path, label, extra) => {
    if (!boxes.has(path)) {
      // Outer boxes are made first.
      const parent = boxes.get(path.slice(0, Math.max(path.lastIndexOf("\u0000"), 0)));
      const made = { id: `box ${path}`, label, children: [], open: false, parent, ...extra };
      boxes.set(path, made);
      parent.children.push(made);
    }
    return boxes.get(path);
  };
  unit.nodes.forEach((node, v) => {
    if (constant[v]) return;
    let parent = root;
    if (mode === "nets") {
      const scope = net.scopes[node.scope];
      const parts = scope ? scope.split(".") : [];
      parts.forEach((part, i) => (parent = box(parts.slice(0, i + 1).join("\u0000"), part)));
    } else if (node.group >= 0) {
      const at = unit.steps.findIndex((step) => step.group === node.group);
      const name = unit.groups[node.group].name;
      parent = box(`kernel ${node.group}`, at < 0 ? name : `${at} ${name}`, { step: at < 0 ? undefined : `${u}.${at}` });
    }
    parent.children.push({ id: `value ${v}`, value: `${u}.${v}`, number: v, parent, children: [] });
  });
  for (const made of boxes.values()) foldRepeats(made);
  joinNames(root);
  if (mode === "kernels") {
    // The op of a kernel that has but one stands for it.
    root.children = root.children.map((child) => (child.children.length === 1 ? Object.assign(child.children[0], { parent: root }) : child));
  }
  cut(root);
  openSome(root);
  return root;
}

/** What a box computes, without the names that differ from block to block. */
function signature(item) {
  if (item.signature === undefined) {
    const node = item.value && values.get(item.value);
    item.signature = node
      ? `${node.op} ${node.type}`
      : `${/^\d+$/.test(item.label) ? "#" : item.label}(${item.children.map(signature).join(",")})`;
  }
  return item.signature;
}

function foldRepeats(parent) {
  const children = [];
  for (let i = 0; i < parent.children.length; ) {
    const first = parent.children[i];
    let end = i + 1;
    if (!first.value && /^\d+$/.test(first.label)) {
      while (end < parent.children.length && !parent.children[end].value
        && signature(parent.children[end]) === signature(first)) end++;
    }
    children.push(first);
    const more = parent.children.slice(i + 1, end);
    if (more.length > 1) {
      const label = `${more[0].label} – ${more[more.length - 1].label}`;
      const note = `${more.length} blocks like ${first.label}`;
      const made = { id: `${first.id} repeats`, label, note, children: more, open: false, parent, repeats: true };
      more.forEach((child) => (child.parent = made));
      children.push(made);
    } else {
      children.push(...more);
    }
    i = end;
  }
  parent.children = children;
}

/** A box that holds nothing but another box is one with it: `encoder.layer`. */
function joinNames(item) {
  item.children = item.children.map((child) => {
    while (child.children.length === 1 && !child.children[0].value) {
      const [only] = child.children;
      child = Object.assign(only, { label: `${child.label}.${only.label}`, parent: item });
    }
    return child;
  });
  item.children.forEach(joinNames);
}

/** Puts long lists of children into boxes. */
function cut(item) {
  item.children.forEach(cut);
  while (item.children.length > 2 * CHUNK) {
    const children = [];
    for (let i = 0; i < item.children.length; i += CHUNK) {
      const part = item.children.slice(i, i + CHUNK);
      const made = { id: `${item.id} from ${part[0].id}`, children: part, open: false, parent: item };
      made.label = `${firstName(part[0])} – ${lastName(part[part.length - 1])}`;
      part.forEach((child) => (child.parent = made));
      children.push(made);
    }
    item.children = children;
  }
}
const firstName = (item) => (item.value ? `%${item.number}` : item.children.length ? firstName(item.children[0]) : item.label);
const lastName = (item) =>
  item.value ? `%${item.number}` : item.children.length ? lastName(item.children[item.children.length - 1]) : item.label;

/** Opens boxes from the outside inwards while few enough are seen. */
function openSome(root) {
  let visible = root.children.length;
  const waiting = [...root.children];
  while (waiting.length) {
    const item = waiting.shift();
    if (item.value || item.repeats || visible + item.children.length > VISIBLE) continue;
    item.open = true;
    visible += item.children.length - 1;
    waiting.push(...item.children);
  }
}

/** The leaves of a box. */
function leaves(item) {
  return item.value ? [item] : item.children.flatMap(leaves);
}
