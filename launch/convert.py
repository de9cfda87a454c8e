"""Public weights become a run, and the parts of a run public weight files (docs/weights.md):

    python -m launch.convert --kind moore --source pretrained_weights --out out/video
    python -m launch.convert --kind sd-vae --source sd-vae-ft-mse --out out/autoencoder
    python -m launch.convert --kind sd15-unet --source v1-5-pruned-emaonly.safetensors --out out/sd15
    python -m launch.train ... --config.parts.unet.source=run:out/sd15
    python -m launch.convert --export --kind sd15-unet --source out/video --out unet.safetensors [--dtype float16]

A source is a file or a folder as its authors, diffusers or transformers lay it out. "moore" makes a whole video run,
with which launch.generate paints; "sd-vae" a whole autoencoder run; the others a run of one part. A config takes the
same sources without conversion: --config.parts.unet.source=sd15:DIR.
"""

from absl import flags

from launch.converting import exporting, importing
from launch.converting.places import MOORE, PLACES
from launch.shell import cli

_KIND = flags.DEFINE_enum("kind", None, [MOORE, *PLACES], "Layout of the public weights.")
_SOURCE = flags.DEFINE_string("source", None, "Weight file or folder; with --export the work directory of a run.")
_OUT = flags.DEFINE_string("out", None, "Work directory to make; with --export a .safetensors file (moore: a folder).")
_EXPORT = flags.DEFINE_bool("export", False, "From a run to a public file.")
_DTYPE = flags.DEFINE_enum("dtype", None, exporting.DTYPES, "Of the exported arrays; float32 if not given.")
flags.mark_flags_as_required(["kind", "source", "out"])


def main(argv: list[str]) -> None:
    del argv
    if _EXPORT.value:
        told = exporting.export(_KIND.value, _SOURCE.value, _OUT.value, _DTYPE.value or "float32")
    elif _DTYPE.value:
        raise ValueError("--dtype: only with --export; a run holds float32, and computes in its config's dtype")
    else:
        told = importing.convert(_KIND.value, _SOURCE.value, _OUT.value)
    print(*told, sep="\n")


if __name__ == "__main__":
    cli.run(main)
