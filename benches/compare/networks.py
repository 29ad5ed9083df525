"""The networks of the cases, written once. What a layer is says the engine, `o`: PyTorch, JAX or ONNX.

Weights have the names that Tancho gives them, and `o.w(name)` is one. Masks, of which all elements are true, are left out."""


def linear(o, name, x, bias=True, transposed=False):
    return o.linear(x, name + ".weight", name + ".bias" if bias else None, transposed)


def norm(o, name, x, eps=1e-5):
    return o.layer_norm(x, name + ".weight", name + ".bias", eps)


def mlp(o, x):
    return o.add(x, linear(o, "down", o.gelu(linear(o, "up", norm(o, "norm", x)))))


def bert_layer(o, p, x, heads=12):
    q, k, v = (o.heads(linear(o, f"{p}attention.self.{n}", x), heads) for n in ("query", "key", "value"))
    a = o.merged(o.attention(q, k, v))
    x = norm(o, p + "attention.output.LayerNorm", o.add(x, linear(o, p + "attention.output.dense", a)), 1e-12)
    h = linear(o, p + "output.dense", o.gelu(linear(o, p + "intermediate.dense", x)))
    return norm(o, p + "output.LayerNorm", o.add(x, h), 1e-12)


def minilm(o, ids):
    e = "embeddings."
    place = o.add(o.rows(e + "position_embeddings.weight", 0, o.length(ids)), o.rows(e + "token_type_embeddings.weight", 0, 1))
    x = norm(o, e + "LayerNorm", o.add(o.take(e + "word_embeddings.weight", ids), place), 1e-12)
    for i in range(6):
        x = bert_layer(o, f"encoder.layer.{i}.", x)
    return x


def gpt2(o, ids, cache, cached):
    """The logits behind the last token, and keys and values of all positions."""
    x = o.add(o.take("wte.weight", ids), o.rows("wpe.weight", cached, cached + o.length(ids)))
    kept = []
    for i in range(12):
        p = f"h.{i}."
        parts = o.split(linear(o, p + "attn.c_attn", norm(o, p + "ln_1", x), transposed=True), 3)
        q, k, v = (o.heads(part, 12) for part in parts)
        if cached:
            k, v = o.behind(cache[f"state.{p}keys"], k), o.behind(cache[f"state.{p}values"], v)
        kept += [k, v]
        a = o.merged(o.attention(q, k, v, causal=not cached))
        x = o.add(x, linear(o, p + "attn.c_proj", a, transposed=True))
        h = o.gelu_tanh(linear(o, p + "mlp.c_fc", norm(o, p + "ln_2", x), transposed=True))
        x = o.add(x, linear(o, p + "mlp.c_proj", h, transposed=True))
    return o.linear(norm(o, "ln_f", o.last(x)), "wte.weight", None, False), *kept


def smollm2(o, ids, cache, cached):
    x, kept = o.take("token_embd.weight", ids), []
    turns = o.turns(cached, cached + o.length(ids), 64, 1e5)
    for i in range(30):
        p = f"blk.{i}."
        n = o.rms_norm(x, p + "attn_norm.weight", 1e-5)
        q, k, v = (o.heads(linear(o, f"{p}attn_{part}", n, bias=False), h) for part, h in (("q", 9), ("k", 3), ("v", 3)))
        q, k = o.turned(q, turns), o.turned(k, turns)
        if cached:
            k, v = o.behind(cache[f"state.{p}keys"], k), o.behind(cache[f"state.{p}values"], v)
        kept += [k, v]
        a = o.merged(o.attention(q, o.repeated(k, 3), o.repeated(v, 3), causal=not cached))
        x = o.add(x, linear(o, p + "attn_output", a, bias=False))
        n = o.rms_norm(x, p + "ffn_norm.weight", 1e-5)
        h = o.mul(o.silu(linear(o, p + "ffn_gate", n, bias=False)), linear(o, p + "ffn_up", n, bias=False))
        x = o.add(x, linear(o, p + "ffn_down", h, bias=False))
    return o.linear(o.rms_norm(o.last(x), "output_norm.weight", 1e-5), "token_embd.weight", None, False), *kept


def block(o, p, x, stride, channels_norm=False):
    def normed(name, y):
        return o.channel_norm(y, name, 1e-5) if channels_norm else o.batch_norm(y, name, 1e-5)

    shortcut, n = (p + "conv", p + "norm") if channels_norm else (p + "downsample.0", p + "downsample.1")
    n1, n2 = (p + "norm1", p + "norm2") if channels_norm else (p + "bn1", p + "bn2")
    y = o.relu(normed(n1, o.conv(x, p + "conv1.weight", 3, stride)))
    y = normed(n2, o.conv(y, p + "conv2.weight", 3, 1))
    if o.has(shortcut + ".weight"):
        x = normed(n, o.conv(x, shortcut + ".weight", 1, stride))
    return o.relu(o.add(y, x))


def resnet18(o, x):
    x = o.max_pool(o.relu(o.batch_norm(o.conv(x, "conv1.weight", 7, 2), "bn1", 1e-5)))
    for layer in range(1, 5):
        for i in range(2):
            x = block(o, f"layer{layer}.{i}.", x, 2 if layer > 1 and i == 0 else 1)
    return linear(o, "fc", o.global_mean(x))


def run(o, case, inputs, cache, cached):
    """The results of a case, the one that is compared first. `inputs` is a list, `cache` has the states by name."""
    x = inputs[0]
    if case.startswith("W1"):
        return (norm(o, "norm", o.add(x, linear(o, "linear", x))),)
    if case.startswith("W2"):
        return (norm(o, "norm", o.add(x, inputs[1]) if len(inputs) > 1 else x),)
    if case.startswith("W3"):
        return (mlp(o, x),)
    if case.startswith("W4"):
        return (bert_layer(o, "", x) if "bertlayer" in case else minilm(o, x),)
    if case.startswith("W5"):
        return (gpt2 if "gpt2" in case else smollm2)(o, x, cache, cached)
    if case == "W6_resnet18":
        return (resnet18(o, x),)
    return (block(o, "", x, 2 if "_s2_" in case else 1, case.startswith("W7")),)


def gpt_loss(o, ids, following, heads, layers):
    """The loss of the GPTs that are trained."""
    x = o.add(o.take("wte", ids), o.rows("wpe", 0, o.length(ids)))
    for i in range(layers):
        p = f"blocks.{i}."
        q, k, v = (o.heads(part, heads) for part in o.split(linear(o, p + "qkv", norm(o, p + "ln_1", x)), 3))
        x = o.add(x, linear(o, p + "proj", o.merged(o.attention(q, k, v, causal=True))))
        x = o.add(x, linear(o, p + "down", o.gelu_tanh(linear(o, p + "up", norm(o, p + "ln_2", x)))))
    scores = o.linear(norm(o, "ln_f", x), "head.weight" if o.has("head.weight") else "wte", None, False)
    return o.cross_entropy(scores, following)


def loss(o, case, given, wanted):
    if case.startswith("W8_train_mlp"):
        return o.mean_square(mlp(o, given), wanted)
    heads, layers = (4, 4) if "chargpt" in case else (12, 12)
    return gpt_loss(o, given, wanted, heads, layers)
