"""Public weights become a run, and the parts of a run public weight files (docs/weights.md):

    python -m launch.convert --kind moore --source pretrained_weights --out out/video
    python -m launch.convert --kind sd-vae --source sd-vae-ft-mse --out out/autoencoder
    python -m launch.convert --kind sd15-unet --source v1-5-pruned-emaonly.safetensors --out out/sd15
    python -m launch.train ... --config.parts.unet.source=run:out/sd15
    python -m launch.convert --export --kind sd15-unet --source out/video --out unet.safetensors [--dtype float16]

A source is a file or a folder as its authors, diffusers or transformers lay it out. "moore" makes a whole video run,
with which launch.generate paints; "sd-vae" a whole autoencoder run; the others a run of one part. A config takes the
same sources without conversion: --config.parts.unet.source=sd15:DIR.

A run itself, to be handed on: all weights in one file in our own names, without optimizer and history, beside what is
needed to read them. Whatever takes a run takes the folder, but training that would go on in it:

    python -m launch.convert --export --kind run --source out/video --out shipped/video --dtype bfloat16
"""

from absl import flags

from launch.converting import exporting, importing, packing
from launch.converting.places import MOORE, PLACES
from launch.shell import cli

_KIND = flags.DEFINE_enum("kind", None, [MOORE, packing.RUN, *PLACES], "Layout of the public weights; run: ours.")
_SOURCE = flags.DEFINE_string("source", None, "Weight file or folder; with --export the work directory of a run.")
_OUT = flags.DEFINE_string("out", None, "Work directory to make; with --export a .safetensors file, or a folder.")
_EXPORT = flags.DEFINE_bool("export", False, "From a run to a public file.")
_DTYPE = flags.DEFINE_enum("dtype", None, exporting.DTYPES, "Of the exported arrays; float32 if not given.")
flags.mark_flags_as_required(["kind", "source", "out"])


def main(argv: list[str]) -> None:
    del argv
    if _KIND.value == packing.RUN:
        if not _EXPORT.value:
            raise ValueError("--kind=run: give --export; a folder that this makes is read as it is, run:DIR")
        told = packing.pack(_SOURCE.value, _OUT.value, _DTYPE.value or "float32")
    elif _EXPORT.value:
        told = exporting.export(_KIND.value, _SOURCE.value, _OUT.value, _DTYPE.value or "float32")
    elif _DTYPE.value:
        raise ValueError("--dtype: only with --export; a run holds float32, and computes in its config's dtype")
    else:
        told = importing.convert(_KIND.value, _SOURCE.value, _OUT.value)
    print(*told, sep="\n")


if __name__ == "__main__":
    cli.run(main)
