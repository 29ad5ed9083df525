"""PyTorch: eager, and compiled by inductor with weights that are constants."""
import os
import torch
import torch.nn.functional as F
import networks

os.environ.setdefault("TORCHINDUCTOR_FREEZING", "1")


class Layers:
    """What `networks` asks for."""

    def __init__(self, weights): self.weights = weights
    def w(self, name): return self.weights[name]
    def has(self, name): return name in self.weights
    def add(self, a, b): return a + b
    def mul(self, a, b): return a * b
    def linear(self, x, w, b, transposed):
        w, b = self.w(w), None if b is None else self.w(b)
        return F.linear(x, w.t() if transposed else w, b)
    def layer_norm(self, x, w, b, eps): return F.layer_norm(x, x.shape[-1:], self.w(w), self.w(b), eps)
    def rms_norm(self, x, w, eps): return F.rms_norm(x, x.shape[-1:], self.w(w), eps)
    def gelu(self, x): return F.gelu(x)
    def gelu_tanh(self, x): return F.gelu(x, approximate="tanh")
    def silu(self, x): return F.silu(x)
    def relu(self, x): return F.relu(x)
    def take(self, w, ids): return F.embedding(ids, self.w(w))
    def rows(self, w, start, end): return self.w(w)[start:end]
    def length(self, ids): return ids.shape[1]
    def split(self, x, n): return x.chunk(n, -1)
    def heads(self, x, n): return x.view(*x.shape[:2], n, -1).transpose(1, 2)
    def merged(self, x): return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)
    def behind(self, old, new): return torch.cat([old, new], 2)
    def repeated(self, x, n): return x.repeat_interleave(n, 1)
    def attention(self, q, k, v, causal=False): return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    def last(self, x): return x[:, -1]
    def turns(self, start, end, width, base):
        angles = torch.outer(torch.arange(start, end).float(), base ** (-torch.arange(0, width, 2).float() / width))
        return angles.cos(), angles.sin()
    def turned(self, x, turns):
        (a, b), (cos, sin) = x.unflatten(-1, (-1, 2)).unbind(-1), turns
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    def conv(self, x, w, size, stride): return F.conv2d(x, self.w(w), stride=stride, padding=size // 2)
    def batch_norm(self, x, n, eps):
        mean, var = self.w(n + ".running_mean"), self.w(n + ".running_var")
        return F.batch_norm(x, mean, var, self.w(n + ".weight"), self.w(n + ".bias"), False, 0.0, eps)
    def channel_norm(self, x, n, eps):
        d = x - x.mean(1, keepdim=True)
        y = d / ((d * d).mean(1, keepdim=True).sqrt() + eps)
        return y * self.w(n + ".gamma")[:, None, None] + self.w(n + ".beta")[:, None, None]
    def max_pool(self, x): return F.max_pool2d(x, 3, 2, 1)
    def global_mean(self, x): return x.mean((2, 3))
    def mean_square(self, a, b): return F.mse_loss(a, b)
    def cross_entropy(self, scores, wanted): return F.cross_entropy(scores.flatten(0, 1), wanted.flatten())


class Network(torch.nn.Module):
    def __init__(self, case, weights, cached, trained):
        super().__init__()
        self.case, self.cached, self.names = case, cached, {name: name.replace(".", "_") for name in weights}
        for name, value in weights.items():
            self.register_parameter(self.names[name], torch.nn.Parameter(torch.from_numpy(value.copy()), requires_grad=trained))

    def layers(self): return Layers({name: getattr(self, own) for name, own in self.names.items()})

    def forward(self, inputs, cache): return networks.run(self.layers(), self.case, inputs, cache, self.cached)


class Loss(Network):
    def forward(self, given, wanted): return networks.loss(self.layers(), self.case, given, wanted)


def engine(case, threads, compiled):
    """A function that runs the case once and gives its result as an array."""
    torch.set_num_threads(threads)
    weights, inputs, cache, cached = case.weights(), case.inputs(), case.cache(), case.cached()
    inputs = [torch.from_numpy(x).long() if x.dtype.kind == "i" else torch.from_numpy(x) for x in inputs]
    if case.trains():
        net = Loss(case.name, weights, 0, True).train()
        adam = "gpt" in case.name
        how = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True) if adam else torch.optim.SGD(net.parameters(), lr=1e-3)
        loss = torch.compile(net) if compiled else net

        def step():
            how.zero_grad(set_to_none=True)
            value = loss(*inputs)
            value.backward()
            how.step()
            return value

        return step, lambda value: [value.item()]
    net = Network(case.name, weights, cached, False).eval()
    cache = {name: torch.from_numpy(value) for name, value in cache.items()}
    run = torch.compile(net) if compiled else net

    def once():
        with torch.no_grad() if compiled else torch.inference_mode():
            return run(inputs, cache)[0]

    return once, lambda value: value.numpy()
