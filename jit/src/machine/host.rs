//! The machine that this program runs on.

use super::{Machine, Ports};
use crate::lanes::x86::Width;
use crate::system;

/// Bytes of the L2 cache where the system does not tell: the least that the machines of the tests have.
const COMMON_L2: i64 = 512 << 10;

impl Machine {
    /// The machine that this program runs on, with vectors of a width.
    pub(crate) fn host(width: Option<Width>) -> Machine {
        let l2 = system::caches().levels[1].and_then(|bytes| i64::try_from(bytes).ok());
        Machine {
            l2: l2.unwrap_or(COMMON_L2),
            width,
            registers: match width {
                Some(width) => i64::from(width.registers()),
                None if cfg!(target_arch = "aarch64") => 32,
                None => 16,
            },
            ports: ports(width),
            pairs: width == Some(Width::Z) && has_pairs(),
            dots: has_dots(width),
        }
    }
}

/// What a core starts in a cycle.
fn ports(width: Option<Width>) -> Ports {
    if cfg!(all(target_vendor = "apple", target_arch = "aarch64")) {
        return Ports { multiply_adds: 4, loads: 3 };
    }
    if width == Some(Width::Z) && halves_vectors() {
        return Ports { multiply_adds: 1, loads: 1 };
    }
    Ports { multiply_adds: 2, loads: 2 }
}

/// Whether the core does 512 bits as two times 256: Zen 4 does (AMD, "Software Optimization Guide for the AMD
/// Zen4 Microarchitecture", 2023), whose family is 19h.
fn halves_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let signature = std::arch::x86_64::__cpuid(1).eax;
        let (base, extended) = (signature >> 8 & 0xf, signature >> 20 & 0xff);
        vendor() == *b"AuthenticAMD" && base + extended == 0x19
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether the machine has AVX-512 BF16, and gains by it. Zen 4 does; the Intel core that was measured (a
/// Xeon with AMX) does not: 128x3072x768 ran there at 108 GFLOP/s with pairs, at 150 with bf16 weights and
/// f32 rows, and at 175 in f32.
fn has_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16") && vendor() != *b"GenuineIntel";
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The vendor of the CPU.
#[cfg(target_arch = "x86_64")]
fn vendor() -> [u8; 12] {
    let id = std::arch::x86_64::__cpuid(0);
    let mut name = [0; 12];
    for (to, part) in name.chunks_exact_mut(4).zip([id.ebx, id.edx, id.ecx]) {
        to.copy_from_slice(&part.to_le_bytes());
    }
    name
}

/// Whether the machine has AVX-512 VNNI, or AVX-VNNI for 256 bits.
fn has_dots(width: Option<Width>) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        width.is_some_and(|width| width.pick(has!("avxvnni"), has!("avx512vnni")))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = width;
        false
    }
}
