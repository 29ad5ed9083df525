"""JAX: `jax.jit` on XLA's CPU back end. It takes as many threads as there are cores to run on."""
import jax
import jax.numpy as jnp
from jax import lax
import networks


def is_table(name): return any(part in name for part in ("embd", "embeddings", "wte", "wpe"))


def layout(name, x):
    """A weight as JAX's layers have it: filters HWIO, matrices [in, out], which those of GPT-2 are already."""
    if x.ndim == 4:
        return x.transpose(2, 3, 1, 0)
    return x.T if x.ndim == 2 and not is_table(name) and not name.startswith("h.") else x


class Layers:
    """What `networks` asks for. Images are NHWC and filters HWIO, as is natural for XLA."""

    def __init__(self, weights): self.weights = weights
    def w(self, name): return self.weights[name]
    def has(self, name): return name in self.weights
    def add(self, a, b): return a + b
    def mul(self, a, b): return a * b
    def linear(self, x, w, b, transposed):
        del transposed
        y = x @ (self.w(w).T if is_table(w) else self.w(w))
        return y if b is None else y + self.w(b)
    def layer_norm(self, x, w, b, eps):
        d = x - x.mean(-1, keepdims=True)
        return d * lax.rsqrt((d * d).mean(-1, keepdims=True) + eps) * self.w(w) + self.w(b)
    def rms_norm(self, x, w, eps): return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + eps) * self.w(w)
    def gelu(self, x): return jax.nn.gelu(x, approximate=False)
    def gelu_tanh(self, x): return jax.nn.gelu(x, approximate=True)
    def silu(self, x): return jax.nn.silu(x)
    def relu(self, x): return jax.nn.relu(x)
    def take(self, w, ids): return self.w(w)[ids]
    def rows(self, w, start, end): return self.w(w)[start:end]
    def length(self, ids): return ids.shape[1]
    def split(self, x, n): return jnp.split(x, n, -1)
    def heads(self, x, n): return x.reshape(*x.shape[:2], n, -1).transpose(0, 2, 1, 3)
    def merged(self, x): return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)
    def behind(self, old, new): return jnp.concatenate([old, new], 2)
    def repeated(self, x, n): return jnp.repeat(x, n, 1)
    def attention(self, q, k, v, causal=False):
        a = jnp.einsum("bhqd,bhkd->bhqk", q, k) * q.shape[3] ** -0.5
        if causal:
            a = jnp.where(jnp.tril(jnp.ones(a.shape[2:], bool)), a, -1e30)
        return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(a, -1), v)
    def last(self, x): return x[:, -1]
    def turns(self, start, end, width, base):
        angles = jnp.outer(jnp.arange(start, end), base ** (-jnp.arange(0, width, 2) / width))
        return jnp.cos(angles), jnp.sin(angles)
    def turned(self, x, turns):
        pairs, (cos, sin) = x.reshape(*x.shape[:3], -1, 2), turns
        a, b = pairs[..., 0], pairs[..., 1]
        return jnp.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)
    def conv(self, x, w, size, stride):
        return lax.conv_general_dilated(x, self.w(w), (stride,) * 2, [(size // 2,) * 2] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    def batch_norm(self, x, n, eps):
        scale = self.w(n + ".weight") * lax.rsqrt(self.w(n + ".running_var") + eps)
        return (x - self.w(n + ".running_mean")) * scale + self.w(n + ".bias")
    def channel_norm(self, x, n, eps):
        d = x - x.mean(-1, keepdims=True)
        return d / (jnp.sqrt((d * d).mean(-1, keepdims=True)) + eps) * self.w(n + ".gamma") + self.w(n + ".beta")
    def max_pool(self, x):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)])
    def global_mean(self, x): return x.mean((1, 2))
    def mean_square(self, a, b): return ((a - b) ** 2).mean()
    def cross_entropy(self, scores, wanted):
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), wanted[..., None], -1).mean()


def update(state, grads):
    """AdamW with PyTorch's defaults, or SGD where there are no moments."""
    weights, first, second, step = state
    if first is None:
        return {k: weights[k] - 1e-3 * grads[k] for k in weights}, None, None, step
    step = step + 1
    first = {k: 0.9 * first[k] + 0.1 * grads[k] for k in weights}
    second = {k: 0.999 * second[k] + 0.001 * grads[k] ** 2 for k in weights}
    a, b = 1 - 0.9**step, 1 - 0.999**step
    new = {k: weights[k] * (1 - 1e-5) - 1e-3 * (first[k] / a) / (jnp.sqrt(second[k] / b) + 1e-8) for k in weights}
    return new, first, second, step


def engine(case, threads, compiled):
    del threads, compiled
    images = case.name.startswith(("W6", "W7"))
    weights = {k: jnp.asarray(layout(k, v).copy()) for k, v in case.weights().items()}
    inputs = [jnp.asarray(x.transpose(0, 2, 3, 1) if images else x) for x in case.inputs()]
    cache = {k: jnp.asarray(v) for k, v in case.cache().items()}
    if case.trains():
        zeros = lambda: {k: jnp.zeros_like(v) for k, v in weights.items()}
        adam = "gpt" in case.name

        def step(state, given, wanted):
            loss, grads = jax.value_and_grad(lambda w: networks.loss(Layers(w), case.name, given, wanted))(state[0])
            return update(state, grads), loss

        jitted = jax.jit(step, donate_argnums=0)
        held = [(weights, zeros() if adam else None, zeros() if adam else None, jnp.float32(0))]

        def once():
            held[0], loss = jitted(held[0], *inputs)
            return jax.block_until_ready((loss, held[0]))[0]

        return once, lambda value: [float(value)]
    cached = case.cached()
    run = jax.jit(lambda w, inputs, cache: networks.run(Layers(w), case.name, inputs, cache, cached))
    channels_first = lambda y: y.transpose(0, 3, 1, 2) if y.ndim == 4 else y
    return lambda: jax.block_until_ready(run(weights, inputs, cache))[0], lambda value: channels_first(jax.device_get(value))
