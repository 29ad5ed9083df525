//! The `UNet` of milesial/Pytorch-UNet with two levels, once with transposed convolutions and once with
//! bilinear upsampling.
//! 47 lines as the script has it, 36 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub DoubleConv<N, H, W, CIN = _, COUT = _, MID = COUT>(x: [N, CIN, H, W]) -> [N, COUT, H, W] {
        #[weights("double_conv.0")] net conv1: Conv2d<CIN, MID, K = 3, PAD = 1>(bias = false);
        #[weights("double_conv.1")] net norm1: BatchNorm<MID>;
        #[weights("double_conv.3")] net conv2: Conv2d<MID, COUT, K = 3, PAD = 1>(bias = false);
        #[weights("double_conv.4")] net norm2: BatchNorm<COUT>;

        relu(norm2(conv2(relu(norm1(conv1(x))))))
    }

    pub Up<N, H, W, CIN = _, COUT = _, SKIP = _>(option bilinear = false)
        (x: [N, CIN, H, W], skip: [N, SKIP, 2 * H, 2 * W]) -> [N, COUT, 2 * H, 2 * W]
        where CIN % 2 == 0
    {
        if bilinear {
            net conv: DoubleConv<CIN + SKIP, COUT, MID = CIN>;
            conv(concat(skip, upsample_bilinear(x, scale = 2), axis = 1))
        } else {
            #[weights("up.weight")] param w: [CIN, CIN / 2, 2, 2];
            #[weights("up.bias")] param b: [CIN / 2];
            net conv: DoubleConv<CIN / 2 + SKIP, COUT>;
            conv(concat(skip, conv_transpose2d(x, w, b, stride = 2), axis = 1))
        }
    }

    pub Unet<N, H, W, C = 3, D = 64, F = 1, CLASSES = 2>(option bilinear = false)
        (image: [N, C, H, W]) -> [N, CLASSES, H, W]
        where H % 4 == 0, W % 4 == 0, D % F == 0
    {
        net inc: DoubleConv<C, D>;
        #[weights("down1.maxpool_conv.1")] net down1: DoubleConv<D, 2 * D>;
        #[weights("down2.maxpool_conv.1")] net down2: DoubleConv<2 * D, 4 * D / F>;
        net up1: Up<4 * D / F, 2 * D / F, SKIP = 2 * D>(bilinear = bilinear);
        net up2: Up<2 * D / F, D, SKIP = D>(bilinear = bilinear);
        #[weights("outc.conv")] net outc: Conv2d<D, CLASSES, K = 1>;

        let x1 = inc(image);
        let x2 = down1(max_pool2d(x1, kernel = 2));
        let x3 = down2(max_pool2d(x2, kernel = 2));
        outc(up2(up1(x3, x2), x1))
    }
}

fn small() -> UnetDims {
    UnetDims { D: 4, ..Default::default() }
}

#[test]
fn images_are_the_reference_s() -> Result<(), Error> {
    let net = Unet::with(small()).load(weights("unet"))?;
    answers("unet", &["y"], |target| net.compile(target))
}

#[test]
fn bilinear_images_are_the_reference_s() -> Result<(), Error> {
    let net =
        Unet::with(UnetDims { F: 2, ..small() }).option("bilinear", true).load(weights("unet_bilinear"))?;
    answers("unet_bilinear", &["y"], |target| net.compile(target))
}
