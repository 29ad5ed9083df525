//! Every op, declared once, in the form that `table/declare.rs` explains.

use super::*;
use crate::dim::Dim;
use crate::table::Kind::*;
use crate::table::declare::{count, joined, ops, option_count, options, row, row_named, rows};
use crate::table::field::*;
use crate::table::{Attr, OpDef, Param};
use crate::types::DType;

ops! {
    /// The graph's input of that number. No arguments.
    Input(index: usize = must("index", Dim))
        = Source internal "input"() "an input of the network";

    /// The graph's weight of that number. No arguments.
    Weight(index: usize = must("index", Dim))
        = Source internal "weight"() "a weight of the network";

    /// What the graph's state of that number is before the run. No arguments.
    State(index: usize = must("index", Dim))
        = Source internal "state"() "what a state is before the run";

    /// A growing state with new rows after those it has: arguments `state`, `rows`.
    Push {
        /// The axis it grows along.
        axis: usize = must("axis", Axis),
    } = Push internal "push"(state, rows) "a growing state with new rows after those it has";

    /// A scalar constant. No arguments.
    Const(value: Scalar = constant())
        = Source internal "const"() "a scalar constant";

    /// The value of a dim as an f32 scalar. No arguments.
    DimValue(of: Dim = must("of", Dim))
        = Source internal "dim"() "the value of a dim as an f32 scalar";

    /// `len` numbers from `from` on, as i32. No arguments.
    Arange {
        /// How many.
        len: Dim = must("len", Dim),
        /// The first.
        from: Dim = or("from", Dim, "0"),
    } = Generator "arange"() "from, from + 1 .. from + len - 1 as i32: positions";

    /// `ratio^0, ratio^1 ..`, each the f32 next to the exact number. No arguments.
    Powers {
        /// What is raised.
        ratio: Number = must("ratio", Float),
        /// How many.
        len: Dim = must("len", Dim),
    } = Generator internal "powers"() "ratio^0 .. ratio^(len - 1)";

    /// `x ^ exponent`, elementwise.
    Pow(exponent: Number = must("exponent", Float))
        = Elementwise "pow"(x) "x ^ exponent";

    /// `select(cond, a, b)`: `a` where `cond` is true, else `b`.
    Select = Elementwise "select"(cond, a, b) "a where cond, else b";

    /// Conversion to another element type. f32 to i32 truncates and saturates, NaN gives 0.
    Cast(to: DType = must("to", Word(DType::WORDS)))
        = Elementwise "cast"(x) "x in another element type";

    /// `[.., M, K] @ [.., K, N]` or `[.., M, K] @ [K, N]`.
    Matmul = Matmul internal "matmul"(a, b) "a @ b";

    /// A reduction over `axes` (sorted); with `masked` a second bool argument selects the elements that
    /// count.
    Reduce {
        /// What combines the elements.
        kind: Reduction,
        /// The reduced axes, ascending.
        axes: Vec<usize> = must("over", Axes),
        /// Keep the reduced axes with length 1.
        keep: bool = or("keep", Bool, "false"),
        /// A mask is the second argument; its shape is that of `x` or a leading part of it.
        masked: bool = given("where"),
    } = Reduction "sum"(x, [where]) { kind: Reduction::Sum } "sum over the axes",
        Reduction composite "mean"(x, [where]) { kind: Reduction::Mean }
            "sum / count; 0 where a mask leaves none",
        Reduction "reduce_max"(x, [where]) { kind: Reduction::Max }
            "largest element; written max(x, over = ..)",
        Reduction "reduce_min"(x, [where]) { kind: Reduction::Min }
            "smallest element; written min(x, over = ..)";

    /// Index of the largest element along `axis`, as i32; the first of equals; a NaN counts as largest.
    Argmax {
        /// The axis that goes.
        axis: usize = must("over", Axis),
        /// Keep it with length 1.
        keep: bool = or("keep", Bool, "false"),
    } = Reduction "argmax"(x) "index of the largest element, i32";

    /// The `k` largest elements along `axis`, or where they stand, as i32: the largest first, of equals the
    /// first; a NaN counts as largest.
    TopK {
        /// How many.
        k: Dim = must("k", Dim),
        /// The axis, which has `k` elements then.
        axis: usize = must("over", Axis),
        /// Give where they stand.
        indices: bool,
    } = Lowered internal "topk"(x) { indices: false } "the k largest elements, the largest first",
        Lowered internal "topk_indices"(x) { indices: true } "where the k largest elements stand, i32";

    /// The same elements in row-major order under another shape.
    Reshape(shape: Vec<Dim> = must("shape", Shape))
        = View "reshape"(x) "the same elements under another shape";

    /// Axis `i` of the result is axis `axes[i]` of the argument.
    Transpose(axes: Vec<usize> = must("axes", Perm))
        = View "transpose"(x) "axes in another order";

    /// Repetition along axes of length 1 and along new leading axes.
    Expand(shape: Vec<Dim> = must("shape", Shape))
        = View "expand"(x) "repeat axes of length 1 and new leading axes";

    /// Every `step`-th of the elements `start..end` along `axis`.
    Slice {
        /// The axis that is cut.
        axis: usize = must("axis", Axis),
        /// First index.
        start: Dim = must("start", Dim),
        /// One past the last index.
        end: Dim = must("end", Dim),
        /// Elements from one to the next; positive.
        step: Dim = quietly("step", Dim, "1"),
    } = View internal "slice"(x) "x[.., (start..end).step_by(step), ..]";

    /// `x` as it is: no work on it counts as the same as work on `x`, and none runs before `after` is known.
    OptimizationBarrier = View internal "optimization_barrier"(x, after) "x, once after is known";

    /// The arguments one after another along `axis`.
    Concat {
        /// The axis that grows.
        axis: usize = must("axis", Axis),
    } = Concat variadic "concat"(a, [b]) "the arguments one after another";

    /// A loop along the first axis of sequences. Arguments are the sequences, then the carried values as they
    /// are before the first iteration, then what every iteration reads. Its body is a graph of its own, whose
    /// inputs are one element of each sequence, the carried values and the rest. The results of the body are
    /// what the carried values become, then what is stacked along the first axis of a result. The nodes of
    /// one body differ in `result` alone, and one loop computes them all.
    Scan {
        /// The number of the body in [`Graph::bodies`](crate::Graph::bodies).
        body: usize = must("body", Dim),
        /// Which result of the body: carried values as the last iteration left them, then stacked ones.
        result: usize = must("result", Dim),
        /// How many of the arguments are sequences.
        sequences: usize = must("sequences", Dim),
        /// How many of the arguments after them are carried.
        carried: usize = must("carried", Dim),
        /// Whether the last element of the sequences comes first. Results are stacked at its place.
        backwards: bool = quietly("backwards", Bool, "false"),
    } = Scan internal variadic "scan"(a, [b]) "the body for each element of the sequences";

    /// A mixture of experts. Arguments are `[N, K]` i32 ids, then values of N rows, then the weights of each
    /// expert in turn. Row `n` goes through the experts that `ids[n]` names; result `[n, k]` is what expert
    /// `ids[n, k]` makes of it. The body is a graph of its own, whose inputs are the rows that one expert is
    /// given, as many as [`Graph::rows`](crate::Graph::rows) says, and the weights of that expert. An expert
    /// that no id names costs nothing.
    Experts {
        /// The number of the body in [`Graph::bodies`](crate::Graph::bodies).
        body: usize = must("body", Dim),
        /// How many experts there are.
        experts: usize = must("experts", Dim),
        /// How many values have rows for them.
        routed: usize = must("routed", Dim),
    } = Experts internal variadic "experts"(a, [b]) "the body of the expert that an id names, for each row";

    /// The elements along an axis from last to first.
    Flip {
        /// The axis.
        axis: usize = must("axis", Axis),
    } = Lowered "flip"(x) "the elements along the axis from last to first";

    /// The sum of the elements along an axis up to each one, itself among them.
    Cumsum {
        /// The axis.
        axis: usize = must("over", Axis),
    } = Cumulative "cumsum"(x) "the sum of the elements along the axis up to each one";

    /// The elements of `x` where the i32 `ids` say along an axis, and along the others where the ids stand.
    TakeAlong {
        /// The axis.
        axis: usize = must("axis", Axis),
    } = Lowered "take_along"(x, ids) "x[.., ids[.., i, ..], ..]: elements by i32 ids along the axis";

    /// Rows of a table (first argument) by i32 ids (second argument).
    Gather = Gather internal "gather"(table, ids) "rows of a table by i32 ids";

    /// The transpose of a gather: row `i` is the sum of the rows of `x` with the i32 id `i`, in their order.
    ScatterAdd {
        /// How many rows the result has.
        rows: Dim = must("rows", Dim),
    } = Scatter internal "scatter_add"(x, ids) "row i is the sum of the rows of x with the i32 id i";

    /// Sums of rows: row `i` is the sum of `part` rows of `x`, or of those left, from row `i * part` on. All
    /// axes of `x` but the last count its rows.
    SumRows {
        /// Rows of a part. With 0 all rows are one part, and the result has no axis of parts.
        part: usize = must("part", Dim),
    } = RowSums internal "sum_rows"(x) "row i is the sum of part rows of x, from row i * part on";

    /// `x @ w.t + b`, `w` is `[OUT, IN]`; `bias` says whether the third argument is there.
    Linear {
        /// A bias `[OUT]` is the third argument.
        bias: bool = given("b"),
    } = Matmul composite "linear"(x, w, [b]) "x @ w.t + b, w is [OUT, IN]";

    /// `exp(x - max) / sum`, or its logarithm.
    Softmax {
        /// The axis that sums to 1.
        axis: usize = must("over", Axis),
        /// Give the logarithm.
        log: bool,
    } = Norm composite "softmax"(x) { log: false } "exp(x - max) / sum",
        Norm composite "log_softmax"(x) { log: true } "x - max - log(sum(exp(x - max)))";

    /// Layer norm over `axes`; arguments `x`, gain if `gain`, bias if `bias`, both shaped like the normalised
    /// axes.
    LayerNorm {
        /// The normalised axes, ascending.
        axes: Vec<usize> = must("over", Axes),
        /// Added to the variance or to the standard deviation.
        eps: Number = or("eps", Float, "1e-5"),
        /// Which of the two.
        eps_on: EpsOn = or("eps_on", Word(EpsOn::WORDS), "var"),
        /// A gain is given.
        gain: bool = given("gain"),
        /// A bias is given.
        bias: bool = given("bias"),
    } = Norm composite "layer_norm"(x, [gain], [bias])
        "(x - mean) / sqrt(var + eps) * gain + bias, biased variance; eps_on = std: (x - mean) / (std + eps)";

    /// `x / sqrt(mean(x*x) + eps) * gain` over `axes`.
    RmsNorm {
        /// The normalised axes, ascending.
        axes: Vec<usize> = must("over", Axes),
        /// Added to the mean square.
        eps: Number = or("eps", Float, "1e-6"),
        /// A gain is given.
        gain: bool = given("gain"),
    } = Norm composite "rms_norm"(x, [gain]) "x / sqrt(mean(x^2) + eps) * gain";

    /// `x / max(sqrt(sum(x*x)), eps)` along one axis.
    L2Normalize {
        /// The normalised axis.
        axis: usize = must("over", Axis),
        /// Lower bound of the norm.
        eps: Number = or("eps", Float, "1e-12"),
    } = Norm composite "l2_normalize"(x) "x / max(sqrt(sum(x^2)), eps)";

    /// Layer norm over groups of channels of `[N, C, ..]`; arguments `x`, gain `[C]` if `gain`, bias `[C]` if
    /// `bias`.
    GroupNorm {
        /// How many groups; they divide the channels.
        groups: Dim = must("groups", Dim),
        /// Added to the variance.
        eps: Number = or("eps", Float, "1e-5"),
        /// A gain is given.
        gain: bool = given("gain"),
        /// A bias is given.
        bias: bool = given("bias"),
    } = Lowered "group_norm"(x, [gain], [bias])
        "[N, C, ..] normalised over groups of channels and all axes after, then * gain + bias, both [C]";

    /// Convolution of images `x` with filters `w [O, C / groups, KH, KW]`, plus `b [O]` if `bias`. Filters
    /// are not flipped.
    Conv2d {
        /// How the filters run over the image.
        window: Window =
            over_image(or("stride", Pair, "1"), or("pad", Pad, "0"), or("dilation", Pair, "1")),
        /// Parts of the channels, each with filters of its own.
        groups: Dim = or("groups", Dim, "1"),
        /// A bias is the third argument.
        bias: bool = given("b"),
        /// Where the channels of `x` and of the result stand; filters are laid out as above in both.
        layout: Layout = or("layout", Word(Layout::WORDS), "nchw"),
    } = Window "conv2d"(x, w, [b])
        "convolution of [N, C, H, W] with filters w [O, C / groups, KH, KW], plus b [O]";

    /// [`Op::Conv2d`] of `[N, C, L]` with filters `[O, C / groups, K]`.
    Conv1d {
        /// How the filters run, as over an image of one row.
        window: Window =
            over_signal(or("stride", Dim, "1"), or("pad", Ends, "0"), or("dilation", Dim, "1")),
        /// Parts of the channels.
        groups: Dim = or("groups", Dim, "1"),
        /// A bias is the third argument.
        bias: bool = given("b"),
    } = Lowered "conv1d"(x, w, [b]) "convolution of [N, C, L] with filters w [O, C / groups, K], plus b [O]";

    /// The transpose of a convolution: each pixel of `x` adds its multiples of the filters `w [C, O / groups,
    /// KH, KW]` to the result, `stride` pixels from those of its neighbour; plus `b [O]` if `bias`.
    ConvTranspose2d {
        /// Pixels from what one pixel adds to what its neighbour adds.
        stride: [Dim; 2] = or("stride", Pair, "1"),
        /// Rows and columns that are cut off on each side.
        pad: [Dim; 2] = or("pad", Pair, "0"),
        /// Rows and columns that are added after the last.
        output_pad: [Dim; 2] = or("output_pad", Pair, "0"),
        /// Pixels from one element of a filter to the next.
        dilation: [Dim; 2] = or("dilation", Pair, "1"),
        /// Parts of the channels, each with filters of its own.
        groups: Dim = or("groups", Dim, "1"),
        /// A bias is the third argument.
        bias: bool = given("b"),
    } = Lowered "conv_transpose2d"(x, w, [b])
        "transposed convolution of [N, C, H, W] with filters w [C, O / groups, KH, KW], plus b [O]";

    /// [`Op::ConvTranspose2d`] of `[N, C, L]` with filters `[C, O / groups, K]`.
    ConvTranspose1d {
        /// Elements from what one adds to what its neighbour adds.
        stride: Dim = or("stride", Dim, "1"),
        /// Elements that are cut off at each end.
        pad: Dim = or("pad", Dim, "0"),
        /// Elements that are added after the last.
        output_pad: Dim = or("output_pad", Dim, "0"),
        /// Elements from one of a filter to the next.
        dilation: Dim = or("dilation", Dim, "1"),
        /// Parts of the channels.
        groups: Dim = or("groups", Dim, "1"),
        /// A bias is the third argument.
        bias: bool = given("b"),
    } = Lowered "conv_transpose1d"(x, w, [b])
        "transposed convolution of [N, C, L] with filters w [C, O / groups, K], plus b [O]";

    /// The pixels of a window combined, channel by channel. Surroundings do not count for `Max` and are 0
    /// else.
    Pool2d {
        /// How they are combined. A NaN in the window is its maximum.
        kind: Pooling,
        /// Rows and columns of the window.
        kernel: [Dim; 2] = must("kernel", Pair),
        /// How it runs over the image.
        window: Window = of_pooling(must("kernel", Pair), or("stride", Pair, ""), or("pad", Pad, "0")),
        /// Where the channels stand.
        layout: Layout = or("layout", Word(Layout::WORDS), "nchw"),
        /// The mean counts what surrounds the image.
        count_pad: bool = only_of("avg_pool2d", or("count_include_pad", Bool, "false")),
    } = Window "max_pool2d"(x) { kind: Pooling::Max }
            "largest pixel of each window, channel by channel; NaN if there is one",
        Lowered "avg_pool2d"(x) { kind: Pooling::Avg }
            "mean of the pixels of each window, channel by channel",
        Window internal "sum_pool2d"(x) { kind: Pooling::Sum }
            "sum of the pixels of each window, channel by channel";

    /// Batch norm with known statistics: `(x - mean) / sqrt(var + eps) * gain + bias`, all `[C]`, of `x [N,
    /// C, ..]`.
    BatchNorm {
        /// Added to the variance.
        eps: Number = or("eps", Float, "1e-5"),
    } = Lowered "batch_norm"(x, gain, bias, mean, var)
        "(x - mean) / sqrt(var + eps) * gain + bias of [N, C, ..], all [C]";

    /// The mean of each channel of `[N, C, ..]`.
    GlobalMean = Lowered "global_mean"(x) "mean of each channel of [N, C, ..]: [N, C]";

    /// All axes from this one on as one.
    Flatten {
        /// The first of them.
        from: usize = or("from", Axis, "1"),
    } = Lowered "flatten"(x) "all axes from `from` on as one";

    /// Each pixel of `[N, C, H, W]` repeated.
    UpsampleNearest {
        /// How often, down and across.
        scale: [Dim; 2] = must("scale", Pair),
    } = Lowered "upsample_nearest"(x) "each pixel of [N, C, H, W] repeated `scale` times down and across";

    /// `[N, C, H, W]` with other numbers of rows and columns: each pixel follows from those nearest to it.
    Resize {
        /// Rows and columns of the result.
        size: Vec<Dim> = must("size", Shape),
        /// How they follow.
        mode: Resampling = or("mode", Word(Resampling::WORDS), "nearest"),
    } = Lowered "resize"(x) "[N, C, H, W] with other numbers of rows and columns";

    /// [`Op::Resize`] to a multiple of the size, bilinear.
    UpsampleBilinear {
        /// How many times as many rows and columns.
        scale: [Dim; 2] = must("scale", Pair),
    } = Lowered "upsample_bilinear"(x) "[N, C, H, W] with `scale` times as many rows and columns, interpolated";

    /// Scaled dot-product attention; arguments `q`, `k`, `v`, mask if `mask`, bias if `bias`.
    Attention {
        /// Number of query heads.
        heads: Dim = must("heads", Dim),
        /// A query sees no key after its own position, counted from the end of the keys.
        causal: bool = or("causal", Bool, "false"),
        /// A query at position `p` sees no key before `p - window + 1`, positions counted as for `causal`.
        window: Option<Dim> = or("window", Dim, ""),
        /// A bool mask is the fourth argument; true means attend.
        mask: bool = given("mask"),
        /// The last argument is added to the scaled scores.
        bias: bool = given("bias"),
        /// Factor on the scores; `1/sqrt(head dim)` if absent.
        scale: Option<Number> = or("scale", Float, ""),
        /// The scaled scores are `softcap * tanh(score / softcap)`; positive.
        softcap: Option<Number> = or("softcap", Float, ""),
    } = Attention composite "attention"(q, k, v, [mask], [bias])
        "softmax(softcap(q k^T * scale) + bias, masked) v per head; a row with no key to attend gives zeros";

    /// Rotary position embedding of `[B, HEADS, S, HD]`: pair `i` of row `s` is rotated by the angle
    /// `(from + s) * base^(-2 i / HD)`. Position, frequency and angle are f32 numbers. Which options go
    /// together, [`Rotation`](crate::infer::Rotation) says.
    Rope {
        /// The frequencies are an argument `[HD / 2]`, or fewer for the first pairs alone.
        freqs: bool = given("freqs"),
        /// The positions are an argument, i32 `[S]` or `[B, S]`.
        positions: bool = given("positions"),
        /// The base of the frequencies; 1e4 if absent.
        base: Option<Number> = or("base", Float, ""),
        /// The position of the first row.
        from: Dim = or("from", Dim, "0"),
        /// Which elements are a pair.
        pairs: Pairs = or("pairs", Word(Pairs::WORDS), "halves"),
        /// How the frequencies are scaled for more positions than a model was trained for.
        scaling: Scaling = or("scaling", Word(Scaling::WORDS), "none"),
        /// How many times as many positions.
        factor: Option<Number> = or("factor", Float, ""),
        /// How many positions there were in training.
        original_max_position: Option<Number> = or("original_max_position", Float, ""),
        /// Of `llama3`: with fewer turns in training, a frequency is divided by `factor`.
        low_freq_factor: Option<Number> = or("low_freq_factor", Float, ""),
        /// Of `llama3`: with more turns in training, a frequency stays as it is.
        high_freq_factor: Option<Number> = or("high_freq_factor", Float, ""),
        /// Of `yarn`: with more turns in training, a frequency stays as it is; 32 if absent.
        beta_fast: Option<Number> = or("beta_fast", Float, ""),
        /// Of `yarn`: with fewer turns in training, a frequency is divided by `factor`; 1 if absent.
        beta_slow: Option<Number> = or("beta_slow", Float, ""),
        /// Of `yarn`: what sines and cosines are multiplied by; `0.1 ln(factor) + 1` if absent.
        attention_factor: Option<Number> = or("attention_factor", Float, ""),
    } = Lowered "rope"(x, [freqs], [positions])
        "pair i of row s of [B, HEADS, S, HD] turned by (from + s) * base^(-2 i / HD)";

    /// Zeros before and after `x` along `axis`.
    Pad {
        /// The axis that grows.
        axis: usize = must("axis", Axis),
        /// How many before.
        before: Dim = or("before", Dim, "0"),
        /// How many after.
        after: Dim = or("after", Dim, "0"),
    } = Lowered "pad"(x) "zeros before and after x along the axis";

    /// `-log_softmax(logits)[id]` of each row; 0 where the id is `ignore`. An id out of range is an error.
    CrossEntropy {
        /// The id of rows that do not count.
        ignore: i32 = or("ignore", Int, "-100"),
    } = Lowered "cross_entropy"(logits, ids)
        "-log_softmax(logits)[id] of each row; 0 where the id is `ignore`";

    /// Mean of `(a - b)^2` over the last axis.
    Mse = Lowered "mse"(a, b) "mean of (a - b)^2 over the last axis";

    /// `cap * tanh(x / cap)`: numbers near 0 as they are, none beyond `cap`.
    Softcap {
        /// The bound; positive.
        cap: Number = must("cap", Float),
    } = Lowered "softcap"(x) "cap * tanh(x / cap)";

    /// `x` above 0, else `slope * x`.
    LeakyRelu {
        /// The factor on numbers below 0.
        slope: Number = or("slope", Float, "0.01"),
    } = Lowered "leaky_relu"(x) "x where x > 0, else slope * x";

    /// `x` above 0, else `alpha * (e^x - 1)`.
    Elu {
        /// What the result tends to, with a minus, far below 0.
        alpha: Number = or("alpha", Float, "1"),
    } = Lowered "elu"(x) "x where x > 0, else alpha * (e^x - 1)";

    /// The identity here: what sets elements to 0 is training's.
    Dropout {
        /// The share of elements that training sets to 0.
        p: Number = must("p", Float),
    } = Lowered "dropout"(x) "x, but in training";

    /// A random f32 in [0, 1) that follows from two i32 keys and two i32 counters: the upper 24 bits of the
    /// first word of Threefry-2x32 with 13 rounds (Salmon et al. 2011).
    Threefry = Elementwise internal "threefry"(key0, key1, counter0, counter1)
        "a number in [0, 1) by keys and counters";

    /// [`Op::Threefry`] by the place of each element: its column and its row, whatever axes rows come from.
    Uniform(shape: Vec<Dim> = must("shape", Shape))
        = Lowered internal "uniform"(key0, key1) "random numbers in [0, 1) by keys and places";

    /// `x / (1 - p)` where [`Op::Uniform`] of `x`'s shape is at least `p`, else 0: a dropout in training.
    KeyedDropout {
        /// The share of elements that become 0.
        p: Number = must("p", Float),
    } = Lowered internal "keyed_dropout"(x, key0, key1) "x / (1 - p) where uniform(key0, key1) >= p, else 0";

    /// The identity; training lets no gradient through.
    StopGradient = Lowered "stop_gradient"(x) "x, with no gradient";
}
