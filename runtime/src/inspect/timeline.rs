//! The last run of a profile as a timeline that other programs open.

use crate::inspect::cost::{Roof, Span};
use crate::inspect::profile::Profile;
use serde_json::{Value, json};

impl Profile {
    /// The last run in Chrome's trace format, which Perfetto and `chrome://tracing` open: a track for each
    /// thread, and on it the kernels with their lines of the source, operations and bytes a second. With the
    /// limits of a machine they say which one bounds them.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let mut session = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap().session();
    /// session.set_profiling(true);
    /// session.run_inputs(&[vec![1.0f32; 8].view([2, 4]).into()]).unwrap();
    /// assert!(session.profile().trace_json(None).contains("row+relu"));
    /// ```
    pub fn trace_json(&self, roof: Option<Roof>) -> String {
        let thread = |thread: usize| {
            let name = if thread == 0 { "caller".into() } else { format!("worker {thread}") };
            json!({"name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "args": {"name": name}})
        };
        let mut events: Vec<Value> = (0..self.threads).map(thread).collect();
        events.extend(self.spans.iter().filter_map(|span| self.event(span, roof)));
        json!({"displayTimeUnit": "ns", "traceEvents": events}).to_string()
    }

    /// A kernel on the track of a thread.
    fn event(&self, span: &Span, roof: Option<Roof>) -> Option<Value> {
        let kernel = self.kernels.iter().find(|k| k.step == span.step)?;
        // The work of one run, over the time of all threads that shared it.
        let of_step = || self.spans.iter().filter(|s| s.step == span.step);
        let begin = of_step().map(|s| s.begin).min()?;
        let nanos = (of_step().map(|s| s.end).max()? - begin).max(1) as f64;
        let a_second = |work: f64| work / self.runs.max(1) as f64 / nanos;
        let mut args = json!({
            "step": span.step,
            "source": kernel.source.to_string(),
            "GFLOP/s": a_second(kernel.cost.flops),
            "GB/s": a_second(kernel.cost.bytes),
        });
        if let Some(roof) = roof {
            args["bound"] = kernel.cost.bound(roof).0.to_string().into();
        }
        let micros = |nanos: u64| nanos as f64 / 1e3;
        Some(json!({
            "name": kernel.name,
            "cat": "kernel",
            "ph": "X",
            "pid": 1,
            "tid": span.thread,
            "ts": micros(span.begin),
            "dur": micros(span.end - span.begin),
            "args": args,
        }))
    }
}
