"""Fields that every run shares. A stage's config starts from get_base() and adds `model` and `loss` blocks.

launch/ locks the config after the command line's overrides: an unknown field or a value of another type is an error.
"""

import math

from ml_collections import ConfigDict

from configs.ranges import DECAY, FREE, NOT_NEGATIVE, POSITIVE, SHARE, TEXTS, OneOf, Range, whole
from configs.sharding import TABLES

DTYPES = ("float32", "bfloat16")
_AXIS = whole(1, also=(-1,))
RANGES = {
    "name": FREE, "start": FREE,  # checked where they are looked up
    "seed": whole(0, 2**32 - 1), "steps": whole(1), "batch_size": whole(1),
    "dtype": OneOf(DTYPES), "param_dtype": OneOf(DTYPES),
    "mesh.dcn_data": whole(1), "mesh.data": _AXIS, "mesh.fsdp": _AXIS, "mesh.tensor": _AXIS,
    "sharding": OneOf(tuple(TABLES)),
    "optimizer.learning_rate": POSITIVE, "optimizer.schedule": OneOf(("constant", "cosine")),
    "optimizer.warmup_steps": whole(0), "optimizer.weight_decay": NOT_NEGATIVE, "optimizer.b1": DECAY,
    "optimizer.b2": DECAY, "optimizer.eps": POSITIVE, "optimizer.clip_norm": NOT_NEGATIVE,
    "ema_decay": DECAY,
    "accumulate": whole(1), "guard.skip": whole(0), "guard.spike": Range(1, math.inf, also=(0,)),
    "log_every": whole(1), "eval_every": whole(0), "eval_batches": whole(1), "samples": whole(0, 64),
    "checkpoint.every": whole(0), "checkpoint.minutes": NOT_NEGATIVE, "checkpoint.keep": whole(1),
    "checkpoint.keep_every": whole(0), "checkpoint.keep_best": whole(0), "checkpoint.best_metric": FREE,
    "checkpoint.best_is": OneOf(("smallest", "largest")), "checkpoint.wait_for_evaluation": FREE,
    "checkpoint.on_damage": OneOf(("stop", "previous")),
    "telemetry.watchdog_seconds": NOT_NEGATIVE, "telemetry.profile_start": whole(0),
    "telemetry.profile_steps": whole(1), "telemetry.wandb": FREE, "compile_cache": FREE,
    "data.dir": FREE, "data.train_split": FREE, "data.eval_split": FREE,
    "data.share": Range(0, 1, open_low=True), "data.workers": whole(0, 512),
    "data.corrupt": OneOf(("stop", "skip")),
    "data.augment.flip": SHARE,
    "parts.*.source": FREE, "parts.*.trainable": TEXTS, "parts.*.variant": FREE,
    "parts.*.learning_rate": POSITIVE, "parts.*.dtype": OneOf((*DTYPES, "")),
}


def get_base() -> ConfigDict:
    """The shared fields with their defaults; unlocked, so that a stage's config can add its own."""
    config = ConfigDict()
    config.name = ""  # stage: "tokenizer", "motion", "autoencoder" or "video"; every stage's config sets it
    config.seed = 0  # the one seed: initial weights, training noise and data order
    config.steps = 10_000  # optimizer steps of the whole run; a resumed run stops at the same step
    config.batch_size = 64  # examples a step over all processes; a multiple of dcn_data x data x fsdp
    config.dtype = "float32"  # activations: "float32" or "bfloat16"
    config.param_dtype = "float32"  # parameters, optimizer moments and EMA; training takes no other

    config.mesh = ConfigDict()  # devices along each mesh axis; -1 on one of them means the rest
    config.mesh.dcn_data = 1  # TPU slices, or groups of hosts with a slow network between them; the batch is split
    config.mesh.data = -1  # batch split, parameters copied
    config.mesh.fsdp = 1  # batch and parameters split
    config.mesh.tensor = 1  # heads, hidden widths and vocabularies split; or, by fsdp_frames, frames of a clip
    config.sharding = "data"  # table of configs/sharding.py: "data", "fsdp", "fsdp_tensor" or "fsdp_frames"

    config.accumulate = 1  # parts that a batch is worked off in, one after the other: 1/3 of the memory with 3
    config.guard = ConfigDict()  # bad steps: loss, gradient or update not finite, or a leap of the gradient's norm
    config.guard.skip = 0  # bad steps in a row that are left out; one more ends the run
    config.guard.spike = 0.0  # a norm above this multiple of its running mean is a leap, after 100 good steps; 0: none

    config.optimizer = _optimizer()
    config.ema_decay = 0.0  # decay of the averaged parameters, e.g. 0.999; 0 keeps none

    config.parts = ConfigDict()  # what becomes of each part of the model, by its name: see part()
    config.start = ""  # work directory of a run: parts whose source is "start" are read from it

    config.log_every = 50  # steps between lines of metrics
    config.eval_every = 1000  # steps between evaluations; 0 for none
    config.eval_batches = 8  # batches of an evaluation, the same ones each time
    config.samples = 4  # examples drawn into WORKDIR/samples at each evaluation, the same clips and seed; 0 for none

    config.checkpoint = _checkpoint()

    config.telemetry = ConfigDict()
    config.telemetry.watchdog_seconds = 1800.0  # no step has ended for so long: all stacks are written; 0: never
    config.telemetry.profile_start = 0  # first step of a profile in WORKDIR/profile; 0: none (SIGUSR1 asks for one)
    config.telemetry.profile_steps = 5  # steps of a profile
    config.telemetry.wandb = ""  # project at Weights & Biases that metrics go to as well; "" for none
    config.compile_cache = ""  # folder of compiled programs; "": WORKDIR/../compile_cache, "none": none is kept

    config.data = ConfigDict()
    config.data.dir = ""  # prepared data set (configs/data.py, launch/prepare.py)
    config.data.train_split = "train"  # split trained on
    config.data.eval_split = "test"  # split evaluated on
    config.data.share = 1.0  # of the clips trained on: the same ones for every seed (the paper's sub-dataset rows)
    config.data.workers = 0  # loader processes; 0 loads in the trainer's own process
    config.data.corrupt = "stop"  # at a damaged record, or "skip": another clip takes its place, and a warning tells it
    config.data.augment = ConfigDict()  # how clips are changed by chance in training; the paper says nothing: 0 is off
    config.data.augment.flip = 0.0  # probability of a mirror image, left and right joints exchanged
    return config


def part(source: str = "random", trainable: tuple[str, ...] = (".*",), dtype: str = "") -> ConfigDict:
    """What becomes of a part of the model."""
    fields = ConfigDict()
    # Where its weights come from: "random"; "run:DIR", the part of this name in the run of work directory DIR; "start",
    # the same of the run `config.start`; "part:NAME", a copy of another part of this model; or public weights
    # (docs/weights.md), a file or a folder: "sd15:DIR" (unet, reference_net, autoencoder), "clip:DIR" (image_encoder),
    # "animatediff:FILE" (motion_modules), "controlnet:DIR" and "moore:DIR" (pose; moore: of all six), "gpt2:FILE"
    # (gpt). A run that goes on has its weights, and reads no source again.
    fields.source = source
    fields.trainable = trainable  # regexes searched in its parameters' "/"-joined paths; () freezes the whole part
    fields.learning_rate = 1.0  # factor of optimizer.learning_rate
    fields.dtype = dtype  # its frozen weights are held in it: "float32", "bfloat16", or "" for config.dtype
    return fields


def earlier_part(variant: str, source: str = "", dtype: str = "") -> ConfigDict:
    """A part that a stage of its own trains, frozen here. "" as source must be replaced."""
    fields = part(source, trainable=(), dtype=dtype)
    fields.variant = variant  # of that stage's config, which describes the part where its source has no config
    return fields


def _checkpoint() -> ConfigDict:
    """When a run is saved, and what stays: a checkpoint goes when none of the fields keeps it."""
    checkpoint = ConfigDict()
    checkpoint.every = 1000  # steps between checkpoints; 0 saves the last step, and where a signal ends the run
    checkpoint.minutes = 0.0  # between checkpoints as well; 0: whatever the clock says
    checkpoint.keep = 3  # newest ones that stay
    checkpoint.keep_every = 0  # those of every so many steps stay for ever; 0: none
    checkpoint.keep_best = 0  # best ones that stay, by best_metric; 0: none
    checkpoint.best_metric = "eval/loss"  # its name in metrics.jsonl
    checkpoint.best_is = "smallest"  # or "largest"
    checkpoint.wait_for_evaluation = False  # True: those stay that launch.evaluate --watch has not evaluated yet
    checkpoint.on_damage = "stop"  # the newest one is damaged: "stop", or go on from the "previous", and set it aside
    return checkpoint


def _optimizer() -> ConfigDict:
    """AdamW."""
    optimizer = ConfigDict()
    optimizer.learning_rate = 1e-4  # peak
    optimizer.schedule = "constant"  # after the warm-up: "constant", or "cosine" down to 0 at `steps`
    optimizer.warmup_steps = 0  # linear from 0
    optimizer.weight_decay = 0.01  # decoupled; never on biases, norm scales or other vectors
    optimizer.b1 = 0.9  # first moment
    optimizer.b2 = 0.999  # second moment
    optimizer.eps = 1e-8  # added to the root of the second moment
    optimizer.clip_norm = 1.0  # global gradient norm over trainable parameters; 0 for no clipping
    return optimizer
