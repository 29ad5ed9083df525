//! Integers of files as i32.

use safetensors::tensor::{Dtype, TensorView};
use tancho::{AsView, Target, network};

network! {
    /// A table of row numbers.
    Rows<B, N = 4>(x: [B, N]) -> [B, N] {
        buffer ids: i32[N];
        x * cast(ids, f32)
    }
}

fn file(dtype: Dtype, bytes: &[u8]) -> tempfile::TempPath {
    let f = tempfile::Builder::new().suffix(".safetensors").tempfile().expect("a file").into_temp_path();
    let view = TensorView::new(dtype, vec![4], bytes).expect("a tensor");
    std::fs::write(&f, safetensors::serialize([("ids", view)], None).expect("serialised")).expect("written");
    f
}

fn wide(values: [i64; 4]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn integers_of_other_widths_become_i32_where_they_fit() {
    let ends = [i64::from(i32::MIN), -1, 7, i64::from(i32::MAX)];
    let narrow: Vec<u8> = [-300i16, -1, 7, 300].iter().flat_map(|v| v.to_le_bytes()).collect();
    for (dtype, bytes, want) in [
        (Dtype::I64, wide(ends), [i32::MIN as f32, -1.0, 7.0, i32::MAX as f32]),
        (Dtype::I16, narrow, [-300.0, -1.0, 7.0, 300.0]),
        (Dtype::I8, vec![0x80, 0xff, 7, 0x7f], [-128.0, -1.0, 7.0, 127.0]),
        (Dtype::U8, vec![0x80, 0xff, 7, 0], [128.0, 255.0, 7.0, 0.0]),
    ] {
        let net = Rows::load(file(dtype, &bytes)).expect("loaded");
        let mut session = net.compile(Target::host()).expect("compiled").session();
        assert_eq!(session.run([1.0; 4].view([1, 4])).expect("run").data(), want, "{dtype:?}");
        assert!(net.load_report().to_string().contains("1 converted from"), "{}", net.load_report());
    }
}

#[test]
fn a_number_that_no_i32_holds_is_an_error() {
    for odd in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1] {
        let error = Rows::load(file(Dtype::I64, &wide([0, 1, odd, 2]))).expect_err("too large").to_string();
        assert!(error.contains("i64 with a number that no i32 holds"), "{error}");
    }
}
