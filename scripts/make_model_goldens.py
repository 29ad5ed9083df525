#!/usr/bin/env python3
"""Writes tests/golden/models: small models of the usual classes with random weights, and what they answer.

    pip install torch==2.7.1 torchvision==0.22.1 transformers==4.53.3 timm==1.0.19 safetensors==0.8.0 numpy==2.4.6
    python3 scripts/make_model_goldens.py [NAME ..]
    python3 scripts/make_model_goldens.py --lines

Made with Python 3.11. NAME.safetensors is what `save_pretrained` writes: every weight under its name in the module,
weights that are shared once. NAME.io.safetensors has the inputs as in.* and the answers of PyTorch (f32, eager, CPU)
as out.*. All weights are random, gains, biases and statistics of batch norms too, so that a mistake in any of them
shows. Models that no library has are written here as their papers' common implementations have them.

--lines prints how many lines the classes of each module have that inference needs, without comments, docstrings and
blank lines, and by that measure how many each `network!` of tests/models/zoo has.
"""
import ast, importlib, inspect, io, math, pathlib, re, sys, tempfile, tokenize, zlib

import torch
import torch.nn.functional as F
import transformers as hf
from safetensors.torch import save_file
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = {}


def model(names, *classes):
    """Registers a function that makes (module, inputs, answers); `classes` of module `names` are what is counted."""
    def register(make):
        MODELS[make.__name__] = (make, names, classes)
        return make
    return register


def randomize(module):
    """Random numbers for all weights, of a size that keeps values near 1."""
    done = set()
    for name, p in list(module.named_parameters()) + list(module.named_buffers()):
        if p.data_ptr() in done or not p.is_floating_point() or p.numel() == 0 or "inv_freq" in name:
            continue
        done.add(p.data_ptr())
        last = name.rsplit(".", 1)[-1]
        with torch.no_grad():
            if name == "dfl.conv.weight" or last in ("A_log", "logit_scale"):
                continue                                   # these are formulas, not drawn at random
            elif last == "running_var":
                p.uniform_(0.5, 1.5)
            elif p.ndim > 1:
                p.normal_(0, 1 / math.sqrt(p[0].numel()))
            elif last == "weight" or "scale" in last:
                p.normal_(1, 0.3)
            else:
                p.normal_(0, 0.3)
    return module.eval()


def ids(vocabulary, *shape):
    return torch.randint(0, vocabulary, shape, dtype=torch.int32)


def keep(lengths, width):
    """A mask: so many true in each row."""
    return torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]


def of(cls, config, **fields):
    """A Hugging Face module with random weights."""
    return randomize(cls(config(attn_implementation="eager", **fields)))


def decoder(m, vocabulary, length=9):
    """A decoder's logits of two sequences."""
    x = ids(vocabulary, 2, length)
    return m, {"ids": x}, {"logits": m(x, use_cache=False).logits}


SMALL = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=24)
GQA = dict(vocab_size=31, hidden_size=16, num_attention_heads=4, num_key_value_heads=2, head_dim=6,
           num_hidden_layers=2, intermediate_size=20, max_position_embeddings=64, pad_token_id=0)


@model("transformers.models.vit.modeling_vit", "ViTEmbeddings", "ViTPatchEmbeddings", "eager_attention_forward",
       "ViTSelfAttention", "ViTSelfOutput", "ViTAttention", "ViTIntermediate", "ViTOutput", "ViTLayer", "ViTEncoder",
       "ViTModel", "ViTForImageClassification")
def vit():
    m = of(hf.ViTForImageClassification, hf.ViTConfig, image_size=12, patch_size=4, num_labels=5, **SMALL)
    x = torch.randn(3, 3, 12, 12)
    return m, {"pixels": x}, {"logits": m(x).logits}


@model("transformers.models.bert.modeling_bert", "BertEmbeddings", "BertSelfAttention", "BertSelfOutput",
       "BertAttention", "BertIntermediate", "BertOutput", "BertLayer", "BertEncoder", "BertPooler",
       "BertPredictionHeadTransform", "BertLMPredictionHead", "BertPreTrainingHeads", "BertModel", "BertForPreTraining")
def bert():
    m = of(hf.BertForPreTraining, hf.BertConfig, vocab_size=30, max_position_embeddings=12, **SMALL)
    x, mask, types = ids(30, 2, 7), keep([7, 4], 7), ids(2, 2, 7)
    y = m(x, attention_mask=mask.long(), token_type_ids=types)
    return m, {"ids": x, "mask": mask, "types": types}, {"words": y.prediction_logits, "next": y.seq_relationship_logits}


@model("transformers.models.t5.modeling_t5", "T5LayerNorm", "T5DenseGatedActDense", "T5LayerFF", "T5Attention",
       "T5LayerSelfAttention", "T5LayerCrossAttention", "T5Block", "T5Stack", "T5ForConditionalGeneration")
def t5():
    m = of(hf.T5ForConditionalGeneration, hf.T5Config, vocab_size=30, d_model=16, d_kv=6, num_heads=2, d_ff=20,
           num_layers=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False, relative_attention_num_buckets=8,
           relative_attention_max_distance=20, decoder_start_token_id=0)
    x, mask, y = ids(30, 2, 11), keep([11, 6], 11), ids(30, 2, 13)
    out = m(input_ids=x, attention_mask=mask.long(), decoder_input_ids=y.long(), use_cache=False)
    return (m, {"ids": x, "mask": mask, "decoder_ids": y},
            {"encoded": out.encoder_last_hidden_state, "logits": out.logits})


@model("transformers.models.whisper.modeling_whisper", "WhisperPositionalEmbedding", "WhisperAttention",
       "WhisperEncoderLayer", "WhisperDecoderLayer", "WhisperEncoder", "WhisperDecoder", "WhisperModel",
       "WhisperForConditionalGeneration")
def whisper():
    m = of(hf.WhisperForConditionalGeneration, hf.WhisperConfig, vocab_size=30, d_model=16, encoder_layers=2,
           decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=20,
           decoder_ffn_dim=20, num_mel_bins=6, max_source_positions=9, max_target_positions=14, pad_token_id=0,
           bos_token_id=1, eos_token_id=1, decoder_start_token_id=1)
    x, y = torch.randn(2, 6, 18), ids(30, 2, 11)
    out = m(input_features=x, decoder_input_ids=y.long(), use_cache=False)
    return (m, {"mel": x, "decoder_ids": y}, {"encoded": out.encoder_last_hidden_state, "logits": out.logits})


@model("transformers.models.llama.modeling_llama", "LlamaRMSNorm", "LlamaRotaryEmbedding", "rotate_half",
       "apply_rotary_pos_emb", "LlamaMLP", "repeat_kv", "LlamaAttention", "LlamaDecoderLayer", "LlamaModel",
       "LlamaForCausalLM")
def llama3():
    # Wavelengths below 8, between, and above 64: the three ranges of the scaling.
    scaling = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32)
    return decoder(of(hf.LlamaForCausalLM, hf.LlamaConfig, rope_theta=50.0, rope_scaling=scaling, **GQA), 31, 13)


@model("transformers.models.mistral.modeling_mistral", "MistralRMSNorm", "MistralRotaryEmbedding", "rotate_half",
       "apply_rotary_pos_emb", "MistralMLP", "repeat_kv", "MistralAttention", "MistralDecoderLayer", "MistralModel",
       "MistralForCausalLM")
def mistral():
    return decoder(of(hf.MistralForCausalLM, hf.MistralConfig, sliding_window=4, **GQA), 31)


@model("transformers.models.gemma.modeling_gemma", "GemmaRMSNorm", "GemmaRotaryEmbedding", "rotate_half",
       "apply_rotary_pos_emb", "GemmaMLP", "repeat_kv", "GemmaAttention", "GemmaDecoderLayer", "GemmaModel",
       "GemmaForCausalLM")
def gemma():
    return decoder(of(hf.GemmaForCausalLM, hf.GemmaConfig, **{**GQA, "num_key_value_heads": 1}), 31)


@model("transformers.models.gemma2.modeling_gemma2", "Gemma2RMSNorm", "Gemma2RotaryEmbedding", "rotate_half",
       "apply_rotary_pos_emb", "Gemma2MLP", "repeat_kv", "eager_attention_forward", "Gemma2Attention",
       "Gemma2DecoderLayer", "Gemma2Model", "Gemma2ForCausalLM")
def gemma2():
    return decoder(of(hf.Gemma2ForCausalLM, hf.Gemma2Config, sliding_window=4, query_pre_attn_scalar=10,
                      attn_logit_softcapping=2.0, final_logit_softcapping=3.0, **GQA), 31)


@model("transformers.models.mixtral.modeling_mixtral", "MixtralRMSNorm", "MixtralRotaryEmbedding", "rotate_half",
       "apply_rotary_pos_emb", "repeat_kv", "MixtralBlockSparseTop2MLP", "MixtralSparseMoeBlock", "MixtralAttention",
       "MixtralDecoderLayer", "MixtralModel", "MixtralForCausalLM")
def mixtral():
    return decoder(of(hf.MixtralForCausalLM, hf.MixtralConfig, num_local_experts=4, num_experts_per_tok=2,
                      **{**GQA, "intermediate_size": 10}), 31)


@model("transformers.models.convnext.modeling_convnext", "ConvNextLayerNorm", "ConvNextEmbeddings", "ConvNextLayer",
       "ConvNextStage", "ConvNextEncoder", "ConvNextModel", "ConvNextForImageClassification")
def convnext():
    m = randomize(hf.ConvNextForImageClassification(hf.ConvNextConfig(
        hidden_sizes=[4, 6, 8, 10], depths=[1, 1, 2, 1], image_size=32, num_labels=5)))
    x = torch.randn(1, 3, 32, 36)
    return m, {"pixels": x}, {"logits": m(x).logits}


class DoubleConv(nn.Module):
    """milesial/Pytorch-UNet, whose names these are (Ronneberger, Fischer and Brox 2015)."""
    def __init__(self, i, o, mid=None):
        super().__init__()
        mid = mid or o
        self.double_conv = nn.Sequential(
            nn.Conv2d(i, mid, 3, padding=1, bias=False), nn.BatchNorm2d(mid), nn.ReLU(),
            nn.Conv2d(mid, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(i, o))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, i, o, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear")
            self.conv = DoubleConv(i, o, i // 2)
        else:
            self.up = nn.ConvTranspose2d(i, i // 2, 2, stride=2)
            self.conv = DoubleConv(i, o)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class OutConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, channels, classes, width, bilinear):
        super().__init__()
        f = 2 if bilinear else 1
        self.inc = DoubleConv(channels, width)
        self.down1 = Down(width, 2 * width)
        self.down2 = Down(2 * width, 4 * width // f)
        self.up1 = Up(4 * width, 2 * width // f, bilinear)
        self.up2 = Up(2 * width, width, bilinear)
        self.outc = OutConv(width, classes)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


@model(__name__, "DoubleConv", "Down", "Up", "OutConv", "UNet")
def unet():
    m, x = randomize(UNet(3, 2, 4, False)), torch.randn(2, 3, 12, 20)
    return m, {"image": x}, {"y": m(x)}


@model(__name__, "DoubleConv", "Down", "Up", "OutConv", "UNet")
def unet_bilinear():
    m, x = randomize(UNet(3, 2, 4, True)), torch.randn(2, 3, 12, 20)
    return m, {"image": x}, {"y": m(x)}


@model("torchvision.models.mobilenetv3", "SqueezeExcitation", "InvertedResidual", "MobileNetV3")
def mobilenet_v3():
    from torchvision.models.mobilenetv3 import InvertedResidualConfig as C, MobileNetV3
    # (in, kernel, expanded, out, squeezed, activation, stride, dilation): each kind of block once
    rows = [(8, 3, 8, 8, True, "RE", 2, 1), (8, 3, 16, 8, False, "RE", 1, 1), (8, 5, 16, 16, True, "HS", 2, 1),
            (16, 5, 24, 16, True, "HS", 1, 1)]
    m = randomize(MobileNetV3([C(*r, 1.0) for r in rows], last_channel=20, num_classes=5))
    x = torch.randn(1, 3, 33, 40)
    return m, {"image": x}, {"logits": m(x)}


@model("torch.nn.modules.rnn", "RNNBase", "LSTM")
def lstm():
    m, x = randomize(nn.LSTM(6, 10, num_layers=2, batch_first=True)), torch.randn(2, 7, 6)
    y, (h, c) = m(x)
    return m, {"x": x}, {"y": y, "h": h, "c": c}


@model("torch.nn.modules.rnn", "RNNBase", "GRU")
def gru():
    m, x = randomize(nn.GRU(6, 10, num_layers=2, batch_first=True)), torch.randn(2, 7, 6)
    y, h = m(x)
    return m, {"x": x}, {"y": y, "h": h}


@model("transformers.models.mamba.modeling_mamba", "MambaMixer", "MambaRMSNorm", "MambaBlock", "MambaModel",
       "MambaForCausalLM")
def mamba():
    m = randomize(hf.MambaForCausalLM(hf.MambaConfig(
        vocab_size=30, hidden_size=12, state_size=4, num_hidden_layers=2, conv_kernel=4, expand=2, time_step_rank=3)))
    for layer in m.backbone.layers:
        layer.mixer.A_log.data += 0.3 * torch.randn_like(layer.mixer.A_log)
    return decoder(m, 30)


class WaveNet(nn.Module):
    """vincentherrmann/pytorch-wavenet, whose names these are, with causal padding (van den Oord et al. 2016)."""
    def __init__(self, classes, residual, skip, end, layers, blocks):
        super().__init__()
        self.dilations = [2 ** i for _ in range(blocks) for i in range(layers)]
        pair = lambda: nn.ModuleList([nn.Conv1d(residual, residual, 2, dilation=d) for d in self.dilations])
        one = lambda o: nn.ModuleList([nn.Conv1d(residual, o, 1) for _ in self.dilations])
        self.start_conv = nn.Conv1d(classes, residual, 1)
        self.filter_convs, self.gate_convs = pair(), pair()
        self.residual_convs, self.skip_convs = one(residual), one(skip)
        self.end_conv_1 = nn.Conv1d(skip, end, 1)
        self.end_conv_2 = nn.Conv1d(end, classes, 1)

    def forward(self, x):
        x, skip = self.start_conv(x), 0
        for i, d in enumerate(self.dilations):
            past = F.pad(x, (d, 0))
            z = torch.tanh(self.filter_convs[i](past)) * torch.sigmoid(self.gate_convs[i](past))
            skip = skip + self.skip_convs[i](z)
            x = x + self.residual_convs[i](z)
        return self.end_conv_2(F.relu(self.end_conv_1(F.relu(skip))))


@model(__name__, "WaveNet")
def wavenet():
    m, x = randomize(WaveNet(10, 8, 12, 14, layers=3, blocks=2)), torch.randn(2, 10, 21)
    return m, {"x": x}, {"y": m(x)}


@model("timm.models.mlp_mixer", "MixerBlock", "MlpMixer")
def mlp_mixer():
    from timm.models.mlp_mixer import MlpMixer
    m = randomize(MlpMixer(num_classes=5, img_size=12, patch_size=4, num_blocks=2, embed_dim=16))
    x = torch.randn(2, 3, 12, 12)
    return m, {"image": x}, {"logits": m(x)}


@model("transformers.models.clip.modeling_clip", "CLIPVisionEmbeddings", "CLIPTextEmbeddings",
       "eager_attention_forward", "CLIPAttention", "CLIPMLP", "CLIPEncoderLayer", "CLIPEncoder", "CLIPTextTransformer",
       "CLIPVisionTransformer", "CLIPModel")
def clip():
    tower = {**SMALL, "attn_implementation": "eager"}
    m = randomize(hf.CLIPModel(hf.CLIPConfig(
        projection_dim=10, text_config={**tower, "vocab_size": 30, "max_position_embeddings": 12, "eos_token_id": 29},
        vision_config={**tower, "hidden_size": 12, "image_size": 12, "patch_size": 4})))
    x, mask, pixels = ids(28, 3, 8), keep([8, 5, 3], 8), torch.randn(2, 3, 12, 12)
    for row, last in enumerate(mask.sum(1) - 1):
        x[row, last:] = 29                                 # the end of the text, and the padding after it
    y = m(input_ids=x, attention_mask=mask.long(), pixel_values=pixels)
    return (m, {"ids": x, "mask": mask, "pixels": pixels},
            {"texts": y.text_embeds, "images": y.image_embeds, "similarity": y.logits_per_image})


class Vae(nn.Module):
    """The VanillaVAE of AntixK/PyTorch-VAE, whose names these are, with the noise as an input (Kingma and Welling 2013)."""
    def __init__(self, channels, latent, widths, side):
        super().__init__()
        down, i = [], channels
        for o in widths:
            down.append(nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.LeakyReLU()))
            i = o
        self.encoder = nn.Sequential(*down)
        self.shape = (widths[-1], side // 2 ** len(widths), side // 2 ** len(widths))
        self.fc_mu = nn.Linear(math.prod(self.shape), latent)
        self.fc_var = nn.Linear(math.prod(self.shape), latent)
        self.decoder_input = nn.Linear(latent, math.prod(self.shape))
        up = lambda i, o: [nn.ConvTranspose2d(i, o, 3, 2, 1, output_padding=1), nn.BatchNorm2d(o), nn.LeakyReLU()]
        widths = widths[::-1]
        self.decoder = nn.Sequential(*[nn.Sequential(*up(a, b)) for a, b in zip(widths, widths[1:])])
        self.final_layer = nn.Sequential(*up(widths[-1], widths[-1]), nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())

    def forward(self, x, noise):
        h = torch.flatten(self.encoder(x), 1)
        mu, log_var = self.fc_mu(h), self.fc_var(h)
        z = mu + torch.exp(0.5 * log_var) * noise
        y = self.final_layer(self.decoder(self.decoder_input(z).view(-1, *self.shape)))
        return y, mu, log_var


@model(__name__, "Vae")
def vae():
    m, x, noise = randomize(Vae(3, 6, [6, 8, 10], 16)), torch.randn(2, 3, 16, 16), torch.randn(2, 6)
    y, mu, log_var = m(x, noise)
    return m, {"image": x, "noise": noise}, {"y": y, "mu": mu, "log_var": log_var}


@model("transformers.models.bloom.modeling_bloom", "build_alibi_tensor", "dropout_add", "bloom_gelu_forward",
       "BloomGelu", "BloomAttention", "BloomMLP", "BloomBlock", "BloomModel", "BloomForCausalLM")
def bloom():
    return decoder(randomize(hf.BloomForCausalLM(hf.BloomConfig(vocab_size=30, hidden_size=16, n_layer=2, n_head=4))), 30)


@model("transformers.models.deberta_v2.modeling_deberta_v2", "DebertaV2SelfOutput", "make_log_bucket_position",
       "build_relative_position", "c2p_dynamic_expand", "p2c_dynamic_expand", "pos_dynamic_expand",
       "scaled_size_sqrt", "build_rpos", "compute_attention_span", "uneven_size_corrected",
       "DisentangledSelfAttention", "DebertaV2Attention", "DebertaV2Intermediate", "DebertaV2Output",
       "DebertaV2Layer", "DebertaV2Embeddings", "DebertaV2Encoder", "DebertaV2Model", "ContextPooler",
       "DebertaV2ForSequenceClassification")
def deberta_v2():
    m = of(hf.DebertaV2ForSequenceClassification, hf.DebertaV2Config, vocab_size=30, max_position_embeddings=24,
           relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
           pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0, num_labels=3, **SMALL)
    x, mask = ids(30, 2, 11), keep([11, 7], 11)
    return m, {"ids": x, "mask": mask}, {"logits": m(input_ids=x, attention_mask=mask.long()).logits}


class Conv(nn.Module):
    """ultralytics/ultralytics, whose names these are (YOLOv8)."""
    def __init__(self, i, o, k):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, padding=k // 2, bias=False)
        self.bn = nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x):
        return F.silu(self.bn(self.conv(x)))


class DFL(nn.Module):
    def __init__(self, bins):
        super().__init__()
        self.conv = nn.Conv2d(bins, 1, 1, bias=False)
        self.conv.weight.data = torch.arange(bins, dtype=torch.float32).view(1, bins, 1, 1)
        self.bins = bins

    def forward(self, x):
        b, _, a = x.shape
        return self.conv(x.view(b, 4, self.bins, a).transpose(2, 1).softmax(1)).view(b, 4, a)


class Detect(nn.Module):
    def __init__(self, classes, bins, channels, strides):
        super().__init__()
        c2, c3 = max(16, channels[0] // 4, bins * 4), max(channels[0], min(classes, 100))
        self.classes, self.bins, self.strides = classes, bins, strides
        self.cv2 = nn.ModuleList(nn.Sequential(Conv(i, c2, 3), Conv(c2, c2, 3), nn.Conv2d(c2, 4 * bins, 1)) for i in channels)
        self.cv3 = nn.ModuleList(nn.Sequential(Conv(i, c3, 3), Conv(c3, c3, 3), nn.Conv2d(c3, classes, 1)) for i in channels)
        self.dfl = DFL(bins)

    def forward(self, maps):
        maps = [torch.cat((self.cv2[i](x), self.cv3[i](x)), 1) for i, x in enumerate(maps)]
        box, cls = torch.cat([x.flatten(2) for x in maps], 2).split((4 * self.bins, self.classes), 1)
        points, strides = [], []
        for x, stride in zip(maps, self.strides):
            h, w = x.shape[2:]
            sy, sx = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
            points.append(torch.stack((sx, sy), -1).view(-1, 2))
            strides.append(torch.full((h * w, 1), float(stride)))
        points, strides = torch.cat(points).t(), torch.cat(strides).t()
        lt, rb = self.dfl(box).chunk(2, 1)
        x1y1, x2y2 = points - lt, points + rb
        return torch.cat((torch.cat(((x1y1 + x2y2) / 2, x2y2 - x1y1), 1) * strides, cls.sigmoid()), 1)


@model(__name__, "Conv", "DFL", "Detect")
def yolo():
    m = randomize(Detect(3, 4, (4, 6, 8), (8, 16, 32)))
    maps = [torch.randn(1, c, 8 // s, 12 // s) for c, s in ((4, 1), (6, 2), (8, 4))]
    return m, {"p3": maps[0], "p4": maps[1], "p5": maps[2]}, {"y": m(maps)}


def code_lines(source, names):
    """The lines of these classes and functions, without blank ones, comments and docstrings."""
    wanted, docs = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            if node.name in names and not node.col_offset:
                wanted.update(range(node.lineno, node.end_lineno + 1))
            if ast.get_docstring(node) is not None:
                docs.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines = set()
    for t in tokenize.generate_tokens(io.StringIO(source).readline):
        if t.type not in blank:
            lines.update(range(t.start[0], t.end[0] + 1))
    return len(lines & wanted - docs)


def network_lines(path):
    """The lines between `network! {` and its closing brace, without blank ones and comments."""
    inside = re.findall(r"^network! \{\n(.*?)^\}", path.read_text(), re.M | re.S)
    return sum(bool(line.strip()) and not line.strip().startswith("//") for text in inside for line in text.split("\n"))


def main(names):
    if names == ["--lines"]:
        for name, (_, module, classes) in MODELS.items():
            module, path = importlib.import_module(module), ROOT / f"tests/models/zoo/{name}.rs"
            theirs = code_lines(inspect.getsource(module), classes)
            print(f"{name}: {theirs} lines of Python, {network_lines(path) if path.exists() else '-'} of network!")
        return
    folder = ROOT / "tests/golden/models"
    folder.mkdir(exist_ok=True)
    for name in names or MODELS:
        torch.manual_seed(zlib.crc32(name.encode()))
        with torch.no_grad():
            module, given, answers = MODELS[name][0]()
        weights = folder / f"{name}.safetensors"
        if hasattr(module, "save_pretrained"):
            with tempfile.TemporaryDirectory() as made:
                module.save_pretrained(made, safe_serialization=True)
                weights.write_bytes((pathlib.Path(made) / "model.safetensors").read_bytes())
        else:
            save_file({k: v.contiguous() for k, v in module.state_dict().items()}, weights)
        tensors = {f"in.{k}": v for k, v in given.items()} | {f"out.{k}": v for k, v in answers.items()}
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / f"{name}.io.safetensors")
        for path in weights, folder / f"{name}.io.safetensors":
            path.chmod(0o644)
        largest = {k: f"{v.abs().max():.3g}" for k, v in answers.items()}
        print(f"{name}: {weights.stat().st_size} bytes, answers up to {largest}")


if __name__ == "__main__":
    main(sys.argv[1:])
