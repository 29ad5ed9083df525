//! The table of vector instructions, with their form for each width.

use super::Width;
use iced_x86::Code;

/// Instructions of three vectors, the last of which may be memory.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Op3 {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Fma231,
    Fma213,
    /// Sums of two products of bf16; with 512 bits only.
    DotBf16,
    /// Sums of four products of unsigned by signed bytes; with 512 bits only.
    DotBytes,
    /// Sums of two products of 16 bits.
    DotWords,
    /// Sums of two products of unsigned by signed bytes, in 16 bits that must hold them.
    DotBytesInWords,
    /// Sums of 16 bits.
    AddWords,
    And,
    Or,
    Xor,
    IAdd,
    ISub,
    IMul,
    IMax,
    IMin,
}

impl Op3 {
    pub fn code(self, width: Width) -> Code {
        use Code::*;
        let (y, z) = match self {
            Op3::Add => (VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Sub => (VEX_Vsubps_ymm_ymm_ymmm256, EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Mul => (VEX_Vmulps_ymm_ymm_ymmm256, EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Div => (VEX_Vdivps_ymm_ymm_ymmm256, EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Max => (VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae),
            Op3::Min => (VEX_Vminps_ymm_ymm_ymmm256, EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae),
            Op3::Fma231 => (VEX_Vfmadd231ps_ymm_ymm_ymmm256, EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Fma213 => (VEX_Vfmadd213ps_ymm_ymm_ymmm256, EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::DotBf16 => (INVALID, EVEX_Vdpbf16ps_zmm_k1z_zmm_zmmm512b32),
            Op3::DotBytes => (VEX_Vpdpbusd_ymm_ymm_ymmm256, EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32),
            Op3::DotWords => (VEX_Vpmaddwd_ymm_ymm_ymmm256, EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512),
            Op3::DotBytesInWords => (VEX_Vpmaddubsw_ymm_ymm_ymmm256, EVEX_Vpmaddubsw_zmm_k1z_zmm_zmmm512),
            Op3::AddWords => (VEX_Vpaddw_ymm_ymm_ymmm256, EVEX_Vpaddw_zmm_k1z_zmm_zmmm512),
            Op3::And => (VEX_Vpand_ymm_ymm_ymmm256, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
            Op3::Or => (VEX_Vpor_ymm_ymm_ymmm256, EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
            Op3::Xor => (VEX_Vpxor_ymm_ymm_ymmm256, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
            Op3::IAdd => (VEX_Vpaddd_ymm_ymm_ymmm256, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32),
            Op3::ISub => (VEX_Vpsubd_ymm_ymm_ymmm256, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32),
            Op3::IMul => (VEX_Vpmulld_ymm_ymm_ymmm256, EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32),
            Op3::IMax => (VEX_Vpmaxsd_ymm_ymm_ymmm256, EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32),
            Op3::IMin => (VEX_Vpminsd_ymm_ymm_ymmm256, EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32),
        };
        width.pick(y, z)
    }
}

/// Instructions of two vectors, the last of which may be memory.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Op2 {
    Sqrt,
    ToInt,
    ToFloat,
    Move,
}

/// Shifts by a constant.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Shift {
    Left,
    /// Copies of the sign are shifted in.
    Right,
    /// Zeros are shifted in.
    RightZero,
}
