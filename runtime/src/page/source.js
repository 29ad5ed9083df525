/* The source, line by line: share of time, error, and what belongs to a line. */

function drawSource(pane) {
  const most = Math.max(...[...lines.values()].map((line) => line.nanos), 1);
  net.files.forEach((file, f) => {
    if (!file.name) return;
    const { name } = file;
    const body = el("div", { class: "code wide" });
    const shown = file.lines
      ? file.lines.map((text, i) => [file.first + i, text])
      : file.only.map(([line, text]) => [line, text]);
    const indents = shown.filter(([, text]) => text.trim()).map(([, text]) => text.length - text.trimStart().length);
    const indent = Math.min(...indents);
    for (const [number, text] of shown.map(([n, t]) => [n, t.slice(indent)])) body.append(sourceLine(f, number, text, most));
    pane.append(el("h2", { title: name }, name), body);
  });
  if (!pane.childElementCount) pane.append(el("p", { class: "hint" }, "The ops of this network have no places in a file."));
  if (net.measured && net.measured.diverges) {
    pane.prepend(el("pre", { class: "alarm" }, `An op differs from the interpreter.\n${net.measured.diverges}`));
  }
  onSelect((from) => {
    light(pane);
    if (from !== pane) reveal(pane);
  });
  const busiest = pane.querySelector(".has-ops");
  if (busiest) requestAnimationFrame(() => busiest.scrollIntoView({ block: "center" }));
}

function sourceLine(file, number, text, most) {
  const key = `${file}:${number}`;
  const line = lines.get(key);
  const numberText = number > 0 ? String(number) : "";
  if (!line) {
    return el("div", { class: "line" }, el("span", { class: "number" }, numberText), el("span", { class: "share" }),
      el("span", { class: "text" }, text || " "));
  }
  const share = line.nanos / (totalNanos || 1);
  const bar = el("span", { class: "bar", style: { width: `${(100 * line.nanos) / most}%` } });
  const facts = [];
  if (net.measured) facts.push(`${percent(share)} of the time, ${nanosText(line.nanos)} a run`);
  if (line.error !== undefined) facts.push(`largest error of an op against the interpreter: ${line.error.toExponential(1)}`);
  facts.push(`${line.values.length} ops in ${line.steps.size} kernels`);
  const wrong = line.error !== undefined && line.error > 1e-5;
  return el("div", {
    class: `line has-ops${wrong ? " wrong" : ""}`, tabindex: 0, role: "button", title: facts.join("\n"), "data-line": key,
    onclick: () => select("line", key, { from: document.getElementById("source") }),
  },
  el("span", { class: "number" }, numberText),
  el("span", { class: "share" }, bar, el("span", {}, line.nanos ? percent(share) : "")),
  el("span", { class: "text" }, text || " "));
}

/** Selects the next line with ops, or the one before. */
function moveLine(by) {
  const all = [...document.querySelectorAll("#source .has-ops")];
  const at = all.findIndex((line) => line.classList.contains("lit"));
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  if (next) select("line", next.dataset.line);
}
