"""The cases as ONNX models, for ONNX Runtime, OpenVINO, tract and rten, all of which read the same file."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import networks


class Layers:
    """What `networks` asks for, as nodes of a graph. A value is its name; shapes are known beside it.

    opset 17 is what all engines read: gelu and RMS norm are written out, as exporters write them."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.shapes = weights, [], {}, {}

    def op(self, kind, *inputs, shape=None, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        for name in names:
            self.shapes[name] = shape
        return names[0] if outputs == 1 else names

    def constant(self, name, value):
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
            self.shapes[name] = value.shape
        return name

    def number(self, x): return self.constant(f"number_{x}", np.float32(x))
    def integers(self, *x): return self.constant("integers_" + "_".join(map(str, x)), np.array(x, np.int64))
    def w(self, name): return self.constant(name, self.weights[name])
    def has(self, name): return name in self.weights
    def shape(self, x): return self.shapes[x]

    def add(self, a, b):
        return self.op("Add", a, b, shape=np.broadcast_shapes(self.shape(a), self.shape(b)))

    def mul(self, a, b):
        return self.op("Mul", a, b, shape=np.broadcast_shapes(self.shape(a), self.shape(b)))

    def linear(self, x, w, b, transposed):
        matrix = self.w(w) if transposed else self.constant(w + ".t", self.weights[w].T)
        shape = (*self.shape(x)[:-1], self.shape(matrix)[1])
        if len(shape) == 2 and b is not None:
            return self.op("Gemm", x, matrix, self.w(b), shape=shape)
        y = self.op("MatMul", x, matrix, shape=shape)
        return y if b is None else self.add(y, self.w(b))

    def layer_norm(self, x, w, b, eps):
        return self.op("LayerNormalization", x, self.w(w), self.w(b), axis=-1, epsilon=eps, shape=self.shape(x))

    def rms_norm(self, x, w, eps):
        square = self.mul(x, x)
        mean = self.op("ReduceMean", square, axes=[-1], keepdims=1, shape=(*self.shape(x)[:-1], 1))
        root = self.op("Sqrt", self.add(mean, self.number(eps)), shape=self.shape(mean))
        return self.mul(self.op("Div", x, root, shape=self.shape(x)), self.w(w))

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.number(2**0.5), shape=self.shape(x)), shape=self.shape(x))
        return self.mul(self.mul(x, self.add(erf, self.number(1.0))), self.number(0.5))

    def gelu_tanh(self, x):
        cube = self.mul(self.op("Pow", x, self.number(3.0), shape=self.shape(x)), self.number(0.044715))
        tanh = self.op("Tanh", self.mul(self.add(x, cube), self.number((2 / np.pi) ** 0.5)), shape=self.shape(x))
        return self.mul(self.mul(x, self.number(0.5)), self.add(tanh, self.number(1.0)))

    def silu(self, x): return self.mul(x, self.op("Sigmoid", x, shape=self.shape(x)))
    def relu(self, x): return self.op("Relu", x, shape=self.shape(x))

    def take(self, w, ids):
        return self.op("Gather", self.w(w), ids, shape=(*self.shape(ids), self.weights[w].shape[1]))

    def rows(self, w, start, end): return self.constant(f"{w}_{start}_{end}", self.weights[w][start:end])
    def length(self, ids): return self.shape(ids)[1]

    def split(self, x, n):
        shape = (*self.shape(x)[:-1], self.shape(x)[-1] // n)
        return self.op("Split", x, self.integers(*[shape[-1]] * n), axis=-1, outputs=n, shape=shape)

    def reshape(self, x, shape): return self.op("Reshape", x, self.integers(*shape), shape=tuple(shape))

    def transpose(self, x, order):
        return self.op("Transpose", x, perm=order, shape=tuple(self.shape(x)[i] for i in order))

    def heads(self, x, n):
        b, s, d = self.shape(x)
        return self.transpose(self.reshape(x, (b, s, n, d // n)), [0, 2, 1, 3])

    def merged(self, x):
        b, h, s, d = self.shape(x)
        return self.reshape(self.transpose(x, [0, 2, 1, 3]), (b, s, h * d))

    def concat(self, parts, axis):
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(part)[axis] for part in parts)
        return self.op("Concat", *parts, axis=axis, shape=tuple(shape))

    def behind(self, old, new): return self.concat([old, new], 2)

    def repeated(self, x, n):
        b, h, s, d = self.shape(x)
        wide = self.op("Expand", self.reshape(x, (b, h, 1, s, d)), self.integers(b, h, n, s, d), shape=(b, h, n, s, d))
        return self.reshape(wide, (b, h * n, s, d))

    def attention(self, q, k, v, causal=False):
        b, h, s, d = self.shape(q)
        keys = self.transpose(k, [0, 1, 3, 2])
        scores = self.op("MatMul", self.mul(q, self.number(d**-0.5)), keys, shape=(b, h, s, self.shape(keys)[3]))
        if causal:
            scores = self.add(scores, self.constant(f"mask_{s}", np.triu(np.full((s, s), -1e30, np.float32), 1)))
        weights = self.op("Softmax", scores, axis=-1, shape=self.shape(scores))
        return self.op("MatMul", weights, v, shape=(b, h, s, d))

    def last(self, x):
        b, s, d = self.shape(x)
        return self.op("Gather", x, self.constant(f"last_{s}", np.int64(s - 1)), axis=1, shape=(b, d))

    def turns(self, start, end, width, base):
        angles = np.outer(np.arange(start, end), base ** (-np.arange(0, width, 2) / width)).astype(np.float32)
        return self.constant("cos", np.cos(angles)[..., None]), self.constant("sin", np.sin(angles)[..., None])

    def turned(self, x, turns):
        (b, h, s, d), (cos, sin) = self.shape(x), turns
        pairs = self.reshape(x, (b, h, s, d // 2, 2))
        first, second = self.op("Split", pairs, self.integers(1, 1), axis=-1, outputs=2, shape=(b, h, s, d // 2, 1))
        minus = self.op("Sub", self.mul(first, cos), self.mul(second, sin), shape=(b, h, s, d // 2, 1))
        plus = self.add(self.mul(first, sin), self.mul(second, cos))
        return self.reshape(self.concat([minus, plus], 4), (b, h, s, d))

    def conv(self, x, w, size, stride):
        n, _, h, _ = self.shape(x)
        side = -(-h // stride)
        at = dict(kernel_shape=[size] * 2, strides=[stride] * 2, pads=[size // 2] * 4)
        return self.op("Conv", x, self.w(w), shape=(n, self.weights[w].shape[0], side, side), **at)

    def batch_norm(self, x, n, eps):
        parts = [self.w(f"{n}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return self.op("BatchNormalization", x, *parts, epsilon=eps, shape=self.shape(x))

    def channel_norm(self, x, n, eps):
        mean = lambda y: self.op("ReduceMean", y, axes=[1], keepdims=1, shape=(self.shape(x)[0], 1, *self.shape(x)[2:]))
        d = self.op("Sub", x, mean(x), shape=self.shape(x))
        root = self.op("Sqrt", mean(self.mul(d, d)), shape=(self.shape(x)[0], 1, *self.shape(x)[2:]))
        y = self.op("Div", d, self.add(root, self.number(eps)), shape=self.shape(x))
        gamma = self.constant(n + ".gamma3", self.weights[n + ".gamma"][:, None, None])
        return self.add(self.mul(y, gamma), self.constant(n + ".beta3", self.weights[n + ".beta"][:, None, None]))

    def max_pool(self, x):
        n, c, h, w = self.shape(x)
        at = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        return self.op("MaxPool", x, shape=(n, c, -(-h // 2), -(-w // 2)), **at)

    def global_mean(self, x): return self.op("ReduceMean", x, axes=[2, 3], keepdims=0, shape=self.shape(x)[:2])


def arrays(case):
    """The inputs of the model by name: ids are 64-bit integers, as exporters have them."""
    given = {f"in_{i}": x.astype(np.int64) if x.dtype.kind == "i" else x for i, x in enumerate(case.inputs())}
    return given | {name.replace(".", "_"): value for name, value in case.cache().items()}


def write(case, path):
    """Writes the model of a case, its weights beside it where they are too large for one message."""
    o, given = Layers(case.weights()), arrays(case)
    for name, value in given.items():
        o.shapes[name] = value.shape
    inputs = [name for name in given if name.startswith("in_")]
    results = networks.run(o, case.name, inputs, {name: name.replace(".", "_") for name in case.cache()}, case.cached())
    kind = lambda x: TensorProto.INT64 if x.dtype == np.int64 else TensorProto.FLOAT
    graph = helper.make_graph(
        o.nodes,
        case.name,
        [helper.make_tensor_value_info(name, kind(x), x.shape) for name, x in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, o.shape(name)) for name in results],
        list(o.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def ort(case, threads, path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding, kept = session.io_binding(), []
    for name, value in arrays(case).items():
        kept.append(onnxruntime.OrtValue.ortvalue_from_numpy(value))
        binding.bind_ortvalue_input(name, kept[-1])
    for output in session.get_outputs():
        binding.bind_output(output.name, "cpu")
    session.run_with_iobinding(binding)
    for output, value in zip(session.get_outputs(), binding.get_outputs()):
        kept.append(value)
        binding.bind_ortvalue_output(output.name, value)

    def once():
        session.run_with_iobinding(binding)
        return kept

    return once, lambda _: binding.get_outputs()[0].numpy()


def openvino(case, threads, path, precision="f32"):
    import openvino as ov

    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    core = ov.Core()
    request = core.compile_model(core.read_model(path), "CPU", options).create_infer_request()
    given = list(arrays(case).values())
    for i, value in enumerate(given):
        request.set_input_tensor(i, ov.Tensor(value, shared_memory=True))

    def once():
        request.start_async()
        request.wait()
        return given  # which it shares

    return once, lambda _: request.get_output_tensor(0).data
