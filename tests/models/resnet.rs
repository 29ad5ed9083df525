//! ResNets from the article's block: what torchvision's have, on images of any size.

#[path = "../../examples/resnet.rs"]
#[allow(dead_code, missing_docs)]
mod example;

use example::{ResNet, ResNetDims};
use tancho::{AsView, Precision, Target};
use tancho_support::levels;

/// Weights that learn, and all of them.
fn counts(dims: ResNetDims) -> (usize, usize) {
    let g = ResNet::with(dims).graph().expect("a graph");
    let elements = |buffers: bool| {
        let of = g.weights.iter().filter(|w| buffers || w.marks.learns());
        of.map(|w| w.ty.shape.iter().map(|d| d.as_const().expect("static")).product::<i64>() as usize).sum()
    };
    (elements(false), elements(true))
}

/// The numbers of parameters that torchvision states, and the running statistics besides.
#[test]
fn parameters_are_torchvision_s() {
    assert_eq!(counts(ResNetDims::default()), (11_689_512, 11_689_512 + 9_600));
    assert_eq!(counts(ResNetDims::resnet34()), (21_797_672, 21_797_672 + 17_024));
    let net = ResNet::init(1).expect("a net");
    let names: Vec<&str> = net.weights().names().collect();
    for name in [
        "conv1.weight",
        "bn1.running_var",
        "layer1.1.conv2.weight",
        "layer2.0.downsample.0.weight",
        "layer4.1.bn2.bias",
        "fc.bias",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    // 20 convolutions, 20 norms of four tensors, and the last layer.
    assert_eq!(names.len(), 20 + 4 * 20 + 2);
}

/// One compilation for all sizes, down to a pixel; the same answers as the interpreter on every level and at
/// every precision.
#[test]
fn images_of_any_size() {
    let net = ResNet::init(3).expect("a net");
    let pixels: Vec<f32> = (0..2 * 3 * 40 * 33).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    for isa in levels() {
        for precision in Precision::ALL {
            let target =
                Target::host().with_isa(isa).expect("a level of this machine").with_precision(precision);
            let compiled = net.compile(target).expect("compiles");
            for (n, h, w) in [(2, 40, 33), (1, 1, 1), (1, 7, 38)] {
                let image = pixels[..n * 3 * h * w].view([n, 3, h, w]);
                let report = compiled.check(image).expect("runs");
                assert!(report.is_ok(), "{isa} {precision} {n} of {h} x {w}\n{report}");
            }
        }
    }
}
