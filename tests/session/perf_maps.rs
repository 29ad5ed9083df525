//! The names of generated functions for `perf`.

use crate::broken::{Loop, LoopDims, Mixture, Stack, StackDims};
use std::path::PathBuf;
use tancho::{AsView, Compiled, Error, Target, network};
use tancho_support::alone;

network! {
    Coder<B, D = 16, H = 32> {
        param w: [H, D] = xavier;
        pub fn encode(x: [B, D]) -> [B, H] { gelu(x @ w.t) }
        pub fn forward(x: [B, D]) -> [B, D] { encode(x) @ w }
    }
}

fn map() -> PathBuf {
    format!("/tmp/perf-{}.map", std::process::id()).into()
}

/// The lines of the map: first address, one past the last, and name.
fn lines() -> Vec<(u64, u64, String)> {
    let text = std::fs::read_to_string(map()).expect("the map is there");
    assert!(text.ends_with('\n'));
    let line = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let mut number = || u64::from_str_radix(parts.next().expect("a number"), 16).expect("hexadecimal");
        let (start, size) = (number(), number());
        assert!(size > 0, "{line}");
        (start, start + size, parts.next().expect("a name").to_string())
    };
    text.lines().map(line).collect()
}

/// How many of the lines are of a network.
fn of(all: &[(u64, u64, String)], network: &str) -> usize {
    all.iter().filter(|(.., name)| name.starts_with(&format!("tancho::{network} "))).count()
}

fn functions(compiled: &Compiled) -> usize {
    compiled.stats().kernels + compiled.stats().programs
}

/// No memory has two names.
fn assert_apart(all: &[(u64, u64, String)]) {
    let mut ranges: Vec<(u64, u64)> = all.iter().map(|(start, end, _)| (*start, *end)).collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ranges:x?}");
}

#[test]
fn every_function_has_a_line() {
    let body = || {
        // Several threads compile several networks, all of which stay.
        let stack = std::thread::scope(|scope| {
            let others = [16, 32, 48, 64].map(|d| {
                scope.spawn(move || {
                    let net = Loop::with(LoopDims { D: d }).init(1).expect("a network");
                    net.compile(Target::host()).expect("compiled")
                })
            });
            let net = Stack::with(StackDims { D: 32 }).init(1).expect("a network");
            let stack = net.compile(Target::host()).expect("compiled");
            let others = others.map(|other| other.join().expect("compiled"));
            let all = lines();
            let expected: usize = others.iter().map(|c| functions(c)).sum();
            assert_eq!(of(&all, "Loop"), expected, "{all:#?}");
            assert!(all.iter().any(|(.., name)| name.starts_with("tancho::Loop body 0 step 0 ")));
            (stack, others)
        });
        let coder = Coder::init(1).expect("a network").compile(Target::host()).expect("compiled");
        let mixture = Mixture::init(1).expect("a network").compile(Target::host()).expect("compiled");
        let all = lines();
        assert_eq!(of(&all, "Stack"), functions(&stack.0), "{all:#?}");
        assert_eq!(of(&all, "Mixture"), functions(&mixture), "experts share their code: {all:#?}");
        assert_eq!(of(&all, "Coder.encode"), functions(coder.entry("encode").expect("it is there")));
        assert_eq!(of(&all, "Coder.forward"), functions(coder.entry("forward").expect("it is there")));

        // Each different kernel is there, by its step, and with the programs that it calls.
        let kernel = "tancho::Stack step 0 matmul+add+gelu+add+layer_norm broken.rs:";
        let lines_of_kernel: Vec<&str> =
            all.iter().map(|(.., name)| name.as_str()).filter(|name| name.starts_with(kernel)).collect();
        assert!(lines_of_kernel.iter().any(|name| name[kernel.len()..].parse::<u32>().is_ok()), "{all:#?}");
        assert!(lines_of_kernel.iter().any(|name| name.contains(" lanes")), "{all:#?}");

        assert_apart(&all);
        assert!(all.iter().all(|(.., name)| name.starts_with("tancho::")), "{all:#?}");

        // Networks that are gone leave their memory to others, which have it under their names.
        drop((stack, coder, mixture));
        for seed in 0..3 {
            let net = Coder::init(seed).expect("a network").compile(Target::host()).expect("compiled");
            let all = lines();
            let code = functions(net.entry("encode").expect("it is there"));
            assert!(of(&all, "Coder.encode") >= code, "{all:#?}");
            assert_apart(&all);
        }

        std::fs::remove_file(map()).expect("the map is there");
        // What cannot be written is told.
        std::fs::create_dir(map()).expect("a folder");
        let refused = Stack::init(2).expect("a network").compile(Target::host()).err();
        std::fs::remove_dir(map()).expect("the folder is there");
        let refused = refused.expect("a folder is no file");
        assert!(matches!(&refused, Error::Save { path, .. } if *path == map()), "{refused}");
        assert!(refused.to_string().contains("cannot write /tmp/perf-"), "{refused}");
    };
    if alone::is_child(&body) {
        return body();
    }
    alone::must_pass(alone::child("true", &body).env("TANCHO_PERF_MAP", "1").env_remove("PERF_BUILDID_DIR"));
}

/// While `perf record` runs, Cranelift writes names of its own.
#[test]
fn no_function_has_two_names() {
    let body = || {
        std::fs::write(map(), "no line\n7f0000001000 10 another\n").expect("written");
        let stack = Stack::init(1).expect("a network").compile(Target::host()).expect("compiled");
        let all = lines();
        std::fs::remove_file(map()).expect("the map is there");
        assert_eq!(of(&all, "Stack"), functions(&stack), "{all:#?}");
        assert_eq!(all.len(), functions(&stack) + 1, "what others wrote stays: {all:#?}");
        assert_apart(&all);
    };
    if alone::is_child(&body) {
        return body();
    }
    let mut child = alone::child("true", &body);
    alone::must_pass(child.env("TANCHO_PERF_MAP", "1").env("PERF_BUILDID_DIR", "unused"));
}

#[test]
fn nothing_is_written_unless_it_is_asked_for() {
    let body = || {
        let net = Stack::init(1).expect("a network");
        let mut session = net.compile(Target::host()).expect("compiled").session();
        assert_eq!(session.run([0.5; 32].view([1, 32])).expect("it runs").shape(), [1, 32]);
        assert!(!map().exists());
    };
    if alone::is_child(&body) {
        return body();
    }
    for asked in ["", "0"] {
        alone::must_pass(alone::child("true", &body).env("TANCHO_PERF_MAP", asked));
    }
}
