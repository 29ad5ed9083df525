//! The model, with descriptions of machines that people have.

use super::*;
use std::fmt::Write;

/// A name, bytes of the L2 cache of a core, and the rest of the description.
fn machines() -> Vec<(&'static str, Machine)> {
    let machine = |kib: i64, width: Option<Width>, registers, (multiply_adds, loads), pairs, dots| Machine {
        l2: kib << 10,
        width,
        registers,
        ports: Ports { multiply_adds, loads },
        pairs,
        dots,
    };
    vec![
        // AMD, "Software Optimization Guide for AMD Family 19h Processors" (2020), and that for Zen 4 (2023).
        ("Zen 3, AVX2", machine(512, Some(Width::Y), 16, (2, 2), false, false)),
        ("Zen 4, AVX-512", machine(1024, Some(Width::Z), 32, (1, 1), true, true)),
        // Intel, "64 and IA-32 Architectures Optimization Reference Manual".
        ("Xeon (Sapphire Rapids), AVX-512", machine(2048, Some(Width::Z), 32, (2, 2), false, true)),
        ("Alder Lake P, AVX2 and AVX-VNNI", machine(1280, Some(Width::Y), 16, (2, 2), false, true)),
        ("Alder Lake E, AVX2 and AVX-VNNI", machine(512, Some(Width::Y), 16, (1, 1), false, true)),
        // A quarter of 12 MiB for each fast core; Apple, "Apple Silicon CPU Optimization Guide".
        ("Apple M1, NEON", machine(3072, None, 32, (4, 3), false, false)),
        // Arm, "Neoverse N1 Software Optimization Guide".
        ("Neoverse N1, NEON", machine(1024, None, 32, (2, 2), false, false)),
        ("any x86-64, 128 bits", machine(512, None, 16, (2, 2), false, false)),
    ]
}

/// The tiles and blocks of each machine, as `machines.txt` has them.
fn table() -> String {
    let mut text = String::new();
    for (name, machine) in machines() {
        let Machine { l2, registers, ports, .. } = machine;
        writeln!(
            text,
            "{name}: {} KiB of L2, {registers} registers, {} multiply-adds and {} loads a cycle",
            l2 >> 10,
            ports.multiply_adds,
            ports.loads
        )
        .unwrap();
        for (k, n, whole) in [(768, 3072, false), (3072, 768, true), (768, 768, true), (64, 64, false)] {
            write!(text, "  {k:4} terms, {n:4} columns{}:", if whole { ", rows whole" } else { "" }).unwrap();
            for format in Format::ALL {
                let encoding = machine.encodings(format).0;
                let cut = machine.blocking(Len::Const(n), Len::Const(k), whole, encoding);
                write!(text, "  {format} {}x{} of {}", cut.rows, cut.cols, cut.block).unwrap();
            }
            writeln!(text).unwrap();
        }
        writeln!(text, "  queries of attention over 128 keys: {}", machine.queries(Len::Const(128))).unwrap();
    }
    text
}

#[test]
fn each_machine_gets_the_tiles_and_blocks_that_are_written_down() {
    let table = table();
    println!("{table}");
    if std::env::var_os("BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/machine/machines.txt");
        std::fs::write(file, &table).unwrap();
        return;
    }
    assert!(table == include_str!("machines.txt"), "BLESS=1 writes what the model gives now:\n{table}");
}

/// What a tile needs is there, on every machine and for every encoding.
#[test]
fn tiles_fit_into_registers() {
    for (name, machine) in machines() {
        for format in Format::ALL {
            let encoding = machine.encodings(format).0;
            for panels in 1..=6 {
                let Some(rows) = machine.rows(panels, encoding) else { continue };
                let lanes = machine.width.map_or(4, Width::lanes);
                let cols =
                    if machine.width.is_some() { panels * PANEL } else { machine.narrow_tile(encoding).1 };
                let accumulators = rows * cols / lanes * if encoding.group().is_some() { 2 } else { 1 };
                // Of bf16 both halves of a row and a mask for one of them; the mask of the last columns is a
                // vector where there are 256 bits.
                let (halves, held) = match encoding {
                    Encoding::Halves => (1, 2 * cols / lanes),
                    _ => (0, cols / lanes),
                };
                let mask = i64::from(machine.width == Some(Width::Y));
                assert!(
                    accumulators + held + halves + mask < machine.registers,
                    "{name}, {encoding:?}, {rows}x{cols}"
                );
            }
        }
    }
}

#[test]
fn blocks_fit_into_the_l2_cache() {
    for (name, machine) in machines() {
        for k in [1, 64, 768, 3072, 100_000] {
            let b = machine.blocking(Len::Const(768), Len::Const(k), true, Encoding::F32);
            assert!(b.block % b.rows == 0 && (b.rows..=132).contains(&b.block), "{name}: {b:?}");
            // Where few rows would fit with their results, the results may leave the cache.
            assert!(b.block == b.rows || b.block * k * 4 <= machine.l2, "{name}: {b:?} of {k}");
        }
    }
}

/// The tiles of the host are those of its description: all levels of this machine have one.
#[test]
fn the_host_has_a_description() {
    for isa in crate::Isa::ALL.into_iter().filter(|isa| *isa <= crate::Isa::host()) {
        let machine = crate::Target::host().with_isa(isa).unwrap().machine();
        assert!(machine.l2 >= 64 << 10 && machine.registers >= 16, "{isa}: {machine:?}");
        assert_eq!(
            machine.width.map(|w| i64::from(w.registers())).unwrap_or(machine.registers),
            machine.registers
        );
    }
}
