"""Logical axis names. Models speak these; only configs/sharding.py says which mesh axis each one lies on."""

BATCH = "batch"  # activations: examples
FRAMES = "frames"  # activations: frames of a clip, where they are more than one
EMBED = "embed"  # weights: model width (the axis that fsdp splits)
HEADS = "heads"  # weights: attention heads x head width, fused
MLP = "mlp"  # weights: hidden width of a feed-forward layer
VOCAB = "vocab"  # weights: codebook entries (embedding rows, logits)
CONV_IN = "conv_in"  # weights: input channels of a convolution
CONV_OUT = "conv_out"  # weights: output channels of a convolution
LAYERS = "layers"  # weights: stacked (scanned) layers

ALL = (BATCH, FRAMES, EMBED, HEADS, MLP, VOCAB, CONV_IN, CONV_OUT, LAYERS)
