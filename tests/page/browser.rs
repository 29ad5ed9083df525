//! A headless Chromium that is driven through pipes, by the DevTools protocol.

use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Seconds after which a browser that hangs is ended.
const PATIENCE: &str = "300";

/// The browser with one page in it.
pub struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    calls: u64,
    session: Option<String>,
    /// What the console said, and what the page wanted to load.
    pub complaints: Vec<String>,
    _folder: TempDir,
}

impl Browser {
    /// Starts it, with an empty page. `None` where there is none; the test is skipped then, unless
    /// `TANCHO_BROWSER_REQUIRED=1` is set, as `.ci/run` does.
    pub fn start() -> Option<Browser> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let Some(name) = names.into_iter().find(is_there) else {
            let required = std::env::var_os("TANCHO_BROWSER_REQUIRED").is_some_and(|v| v == "1");
            assert!(!required, "no browser is installed: `apt-get install chromium`");
            println!("skipped: no browser is installed; `apt-get install chromium` brings one");
            return None;
        };
        let folder = TempDir::new().expect("a folder");
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        // Chromium reads commands from descriptor 3 and answers on descriptor 4.
        let process = Command::new("sh")
            .args(["-c", "exec timeout \"$0\" \"$@\" 3<\"$TO\" 4>\"$FROM\"", PATIENCE, name])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .env("TO", &to)
            .env("FROM", &from)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let to = OpenOptions::new().write(true).open(to).expect("the first pipe");
        let from = BufReader::new(File::open(from).expect("the second pipe"));
        let (calls, session, complaints) = (0, None, Vec::new());
        let mut browser = Browser { process, to, from, calls, session, complaints, _folder: folder };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attached);
        browser.session = session["sessionId"].as_str().map(str::to_string);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method, and gives its result.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let message = self.next();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message. What is wrong with the page is noted.
    fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).expect("the browser answers");
        assert!(!bytes.is_empty(), "the browser has ended");
        bytes.pop();
        let message: Value = serde_json::from_slice(&bytes).expect("an answer is JSON");
        let params = &message["params"];
        let url = params["request"]["url"].as_str().unwrap_or_default();
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                self.complaints.push(params.to_string());
            }
            "Network.requestWillBeSent" if params["type"] != "Document" && !url.starts_with("data:") => {
                self.complaints.push(format!("the page loads {url}"));
            }
            _ => {}
        }
        message
    }

    /// Opens a file, at a fragment if one is given, and waits until it is shown.
    pub fn open(&mut self, path: &Path, fragment: &str) {
        // The same file at another fragment would not be loaded anew.
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        self.call("Page.navigate", json!({ "url": format!("file://{}{fragment}", path.display()) }));
        self.eval(
            "new Promise(done => { const look = () => document.readyState === 'complete' && \
             location.protocol === 'file:' ? requestAnimationFrame(() => requestAnimationFrame(done)) : \
             setTimeout(look, 20); look(); })",
        );
    }

    /// The value of an expression, or of what it promises.
    ///
    /// # Panics
    /// It throws.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// The number of elements that a selector finds.
    #[track_caller]
    pub fn count(&mut self, selector: &str) -> u64 {
        let found = self.eval(&format!("document.querySelectorAll({}).length", json!(selector)));
        found.as_u64().expect("a number")
    }

    /// Clicks the first element that a selector finds, in its middle, as a mouse does.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        let at = self.eval(&format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{ block: 'center' }}); \
             const r = e.getBoundingClientRect(); return [r.x + Math.min(r.width / 2, 60), r.y + r.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let press = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", press);
        }
    }

    /// Presses a key by its name, as `j` or `Escape`.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { json!(key) } else { Value::Null };
        let mut down = json!({ "type": "keyDown", "key": key });
        if !text.is_null() {
            down["text"] = text;
        }
        self.call("Input.dispatchKeyEvent", down);
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
    }

    /// Gives the window a size, and says whether the system is dark.
    pub fn show_as(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [scheme] }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
