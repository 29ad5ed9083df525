//! The timeline of a run.

use tancho::inspect::Roof;
use tancho::{AsView, Error, Target, network};

network! {
    Mixed<B, S, D = 64>(x: [B, S, D]) -> ([B, S, D], [B, D]) {
        net up: Linear<D, 4 * D>;
        net down: Linear<4 * D, D>;
        let y = down(gelu(up(x)));
        let mut h = expand(0, [B, D]);
        scan y_t in y over S { h = tanh(h + y_t); }
        (y, h)
    }
}

#[test]
fn kernels_stand_on_the_tracks_of_their_threads() -> Result<(), Error> {
    let compiled = Mixed::init(1)?.compile(Target::host())?;
    for threads in [1, 2] {
        let mut session = compiled.session_with_threads(threads)?;
        session.divide_all();
        session.set_profiling(true);
        for s in [40, 3] {
            session.run(vec![0.5; 2 * s * 64].view([2, s, 64]))?;
        }
        let profile = session.profile();
        for k in &profile.kernels {
            assert!(profile.spans.iter().any(|span| span.step == k.step), "{} has no span", k.name);
        }
        for thread in 0..threads {
            let mut own: Vec<_> = profile.spans.iter().filter(|s| s.thread == thread).collect();
            own.sort_by_key(|s| s.begin);
            assert!(own.iter().all(|s| s.begin <= s.end));
            assert!(own.windows(2).all(|w| w[0].end <= w[1].begin), "one after another: {own:?}");
        }
        let json = profile.trace_json(Some(Roof { gflops: 50.0, gbytes: 10.0 }));
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let events = read["traceEvents"].as_array().expect("a list");
        let named = |name: &str| events.iter().filter(|e| e["name"] == name).count();
        assert_eq!(named("thread_name"), threads);
        assert!(named("scan") >= 1 && events.len() > threads + 2, "{json}");
        let up = events.iter().find(|e| e["args"]["source"].to_string().contains("gelu(up(x))"));
        let up = up.unwrap_or_else(|| panic!("no kernel of that line: {json}"));
        assert!(up["args"]["GFLOP/s"].as_f64().expect("a number") > 0.0);
        assert!(["compute", "memory"].contains(&up["args"]["bound"].as_str().expect("a word")));
    }
    Ok(())
}
