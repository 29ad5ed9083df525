#!/usr/bin/env python3
"""Drives rust-analyzer over LSP on a small crate and checks what an editor shows inside `network!`.

    python3 scripts/check_editor.py /path/to/rust-analyzer

Hover, go to definition, rename and completion are asked for in a good network, in one with an error of meaning, and in
one with a line that does not parse. Each answer is printed; the exit code is 1 if any is not what it should be.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GOOD = """use tancho::network;

network! {
    /// A perceptron.
    pub Mlp<B, D = 8, H = 4 * D>(x: [B, D]) -> [B, D] {
        /// Widens.
        param up: [H, D] = xavier;
        net down: Linear<H, D>;
        let hidden = gelu(x @ up.t);
        let y = down(hidden) + x;
        layer_norm(y + y, over = D)
    }
}
"""
MEANING = GOOD.replace("let y = down(hidden) + x;", "let y = down(hidden) + x;\n        let wrong = x @ x + rellu(y);")
SYNTAX = GOOD.replace("let y = down(hidden) + x;", "let y = down(hidden) + x;\n        let wrong = x + ;")


class Server:
    """A language server with one open file."""

    def __init__(self, binary, crate):
        self.file = crate / "src/lib.rs"
        self.uri = self.file.as_uri()
        self.process = subprocess.Popen([binary], cwd=crate, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.answers, self.quiet, self.number, self.version = {}, threading.Event(), 0, 0
        self.arrived = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        capabilities = {"experimental": {"serverStatusNotification": True}, "textDocument": {"completion": {"completionItem": {}}}}
        options = {"checkOnSave": False, "cargo": {"buildScripts": {"enable": True}}, "procMacro": {"enable": True}}
        self.ask("initialize", {"processId": os.getpid(), "rootUri": crate.as_uri(), "capabilities": capabilities, "initializationOptions": options})
        self.tell("initialized", {})

    def read(self):
        out = self.process.stdout
        while True:
            length = 0
            while line := out.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if not length:
                return
            message = json.loads(out.read(length))
            if message.get("method") == "experimental/serverStatus" and message["params"].get("quiescent"):
                self.quiet.set()
            elif "id" in message and "method" in message:
                items = message.get("params", {}).get("items", [])
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": [None for _ in items] if items else None})
            elif "id" in message:
                with self.arrived:
                    self.answers[message["id"]] = message
                    self.arrived.notify_all()

    def send(self, message):
        data = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def tell(self, method, params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method, params, timeout=120):
        self.number += 1
        number = self.number
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        with self.arrived:
            if not self.arrived.wait_for(lambda: number in self.answers, timeout):
                raise TimeoutError(method)
        return self.answers.pop(number).get("result")

    def show(self, text):
        """Opens the file with this text, or replaces what is in it."""
        self.version += 1
        if self.version == 1:
            document = {"uri": self.uri, "languageId": "rust", "version": 1, "text": text}
            self.tell("textDocument/didOpen", {"textDocument": document})
        else:
            changes = {"textDocument": {"uri": self.uri, "version": self.version}, "contentChanges": [{"text": text}]}
            self.tell("textDocument/didChange", changes)

    def at(self, text, before, after=""):
        """The position between two pieces of the text that stand next to each other."""
        offset = text.index(before + after) + len(before)
        line = text.count("\n", 0, offset)
        return {"textDocument": {"uri": self.uri}, "position": {"line": line, "character": offset - text.rindex("\n", 0, offset) - 1}}


def line_of(text, part):
    return text.count("\n", 0, text.index(part))


def checks(server, text):
    """What is asked of one text: a name, and whether the answer is right, with the answer."""

    def hover(before, after):
        answer = server.ask("textDocument/hover", server.at(text, before, after))
        return json.dumps(answer["contents"]) if answer else "nothing"

    def definition(before, after):
        answer = server.ask("textDocument/definition", server.at(text, before, after)) or []
        return [(a.get("targetSelectionRange") or a.get("range") or a["targetRange"])["start"]["line"] for a in answer]

    def rename(before, after, name):
        answer = server.ask("textDocument/rename", {**server.at(text, before, after), "newName": name}) or {}
        edits = [e for d in answer.get("documentChanges", []) for e in d["edits"]] + sum(answer.get("changes", {}).values(), [])
        return sorted((e["range"]["start"]["line"], e["range"]["start"]["character"]) for e in edits)

    def places(name, prefix=" ([="):
        found = []
        for number, line in enumerate(text.split("\n")):
            for i in range(len(line)):
                word = line.startswith(name, i) and not line[i + len(name) :][:1].isalnum()
                if word and (i == 0 or line[i - 1] in prefix):
                    found.append((number, i))
        return found

    h = hover("= ge", "lu(x")
    yield "hover on the op `gelu` shows its formula", "erf" in h, h
    h = hover("layer_n", "orm(y")
    yield "hover on `layer_norm` shows how it is called", "eps_on" in h, h
    h = hover("x @ u", "p.t")
    yield "hover on the param `up` shows its type and docs", "[H, D]" in h and "Widens" in h, h
    h = hover("y = do", "wn(hidden")
    yield "hover on the net `down` shows what it is", "Linear<H, D>" in h, h
    h = hover("over = ", "D)")
    yield "hover on the dim `D` shows its default", "8" in h and "static" in h, h
    d = definition("x @ u", "p.t")
    yield "definition of `up` is its `param` line", d == [line_of(text, "param up")], d
    d = definition("y = do", "wn(hidden")
    yield "definition of `down` is its `net` line", d == [line_of(text, "net down")], d
    d = definition("over = ", "D)")
    yield "definition of `D` is the header", d == [line_of(text, "pub Mlp")], d
    d = definition("down(hid", "den)")
    yield "definition of `hidden` is its `let`", d == [line_of(text, "let hidden")], d
    r = rename("let hid", "den =", "wide")
    yield "rename of the `let` edits both places", r == places("hidden"), r
    r = rename("param u", "p:", "wide")
    yield "rename of the param edits both places", r == places("up"), r
    r = rename("pub Mlp<B, ", "D =", "WIDTH")
    yield "rename of the dim edits all places", len(r) >= 7 and set(r) <= set(places("D", " ([=<,*")), r


def completions(server, text, marker, wanted):
    """Completion behind a marker that is typed into the text."""
    answer = server.ask("textDocument/completion", server.at(text, marker)) or {}
    items = answer if isinstance(answer, list) else answer.get("items", [])
    labels = {i["label"].split("(")[0].strip() for i in items}
    return wanted <= labels, sorted(labels & (wanted | {"relu", "up", "down", "x", "hidden", "gelu"}))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        crate = Path(folder) / "editor"
        (crate / "src").mkdir(parents=True)
        manifest = '[package]\nname = "editor"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n[dependencies]\n'
        (crate / "Cargo.toml").write_text(manifest + f'tancho = {{ path = "{ROOT}" }}\n')
        (crate / "Cargo.lock").write_bytes((ROOT / "Cargo.lock").read_bytes())
        (crate / "src/lib.rs").write_text(GOOD)
        server = Server(sys.argv[1], crate)
        server.show(GOOD)
        start = time.time()
        if not server.quiet.wait(900):
            sys.exit("rust-analyzer was not ready in 15 minutes")
        print(f"ready after {time.time() - start:.0f} s")

        def report(what, name, good, answer):
            nonlocal bad
            bad += not good
            print(f"{'ok  ' if good else 'FAIL'} {what}: {name}" + ("" if good else f"\n     {answer}"))

        for what, text in [("good", GOOD), ("error of meaning", MEANING), ("line that does not parse", SYNTAX)]:
            server.show(text)
            for name, good, answer in checks(server, text):
                report(what, name, good, answer)
        tail = "layer_norm(y + y, over = D)"
        for what, base in [("good", GOOD), ("error of meaning", MEANING), ("line that does not parse", SYNTAX)]:
            for typed, marker, wanted in [
                ("let z = ge;", "let z = ge", {"gelu"}),
                ("let z = x @ u;", "let z = x @ u", {"up"}),
                ("let z = relu(hid", "let z = relu(hid", {"hidden"}),
                ("let z = d", "let z = d", {"down"}),
            ]:
                closing = ");" if typed.count("(") > typed.count(")") else ""
                text = base.replace(tail, f"{typed}{closing}\n        {tail}")
                server.show(text)
                good, answer = completions(server, text, marker, wanted)
                report(what, f"completion in `{typed}{closing}` offers {sorted(wanted)}", good, answer)
        server.process.kill()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
