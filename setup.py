"""Packaging. Every lower bound is a version that the tests were run with; cuda, tpu and beam were not run yet."""

from pathlib import Path

from setuptools import find_packages, setup

CORE = [
    "absl-py>=2.5.1",
    "array-record>=0.8.6",
    "av>=18.1",
    "chex>=0.1.92",
    "flax>=0.12.8",
    "grain>=0.2.18",
    "jax>=0.10.2",
    "jaxtyping>=0.3.11",
    "librosa>=0.11",
    "matplotlib>=3.11.2",
    "ml-collections>=1.1",
    "numpy>=2.4.6",
    "optax>=0.2.8",
    "orbax-checkpoint>=0.12.8",
    "packaging>=26.4",
    "pillow>=12.3",
    "pyyaml>=6.0.4",
    "rich>=15",
    "safetensors>=0.8",
    "scipy>=1.17.1",
    "tensorboardX>=2.6.5",
    "tensorflow-datasets>=4.9.10",
    "tqdm>=4.70.1",
]
EXTRAS = {
    "cuda": ["jax[cuda13]>=0.10.2"],
    "tpu": ["jax[tpu]>=0.10.2"],
    "pose": ["mediapipe>=1.2.2"],
    "quality": ["onnxruntime>=1.32"],  # networks that score pictures, and that find and tell faces
    "app": ["gradio>=6.31"],  # launch.app; it wants pillow<13
    "rtm": ["rtmlib>=0.0.16", "onnxruntime>=1.32"],  # pose estimation by the user's ONNX files
    "beam": ["apache-beam>=2.77"],
    "parity": [
        "torch>=2.13", "diffusers>=0.42.1", "transformers>=5.23", "cd-fvd>=0.1.1", "lpips>=0.1.4", "onnx>=1.23.2",
        "onnxruntime>=1.32", "pytorch-fid>=0.3", "scikit-image>=0.26", "torchmetrics>=1.9", "torchvision>=0.29.1",
    ],
    "wandb": ["wandb>=0.31"],
    "heic": ["pillow-heif>=1.8.1"],  # its wheels hold x265 (GPL 2): not for everyone
    "gcs": ["gcsfs>=2026.10.1"],  # runs and data sets on gs://
    "slurm": ["submitit>=1.5.4"],  # launch.sweep --backend=slurm
    "c2pa": ["c2pa-python>=0.38.1"],  # content credentials in generated videos
    "dev": [
        "beartype>=0.22.9", "c2pa-python>=0.38.1", "gcsfs>=2026.10.1", "jsonschema>=4.26", "pillow-heif>=1.8.1",
        "pytest>=9.2", "pytest-xdist>=3.8", "ruff>=0.17.6", "submitit>=1.5.4",
    ],
}

setup(
    name="xdancer_jax",
    version="0.1.0",
    description="X-Dancer (music + one photo -> a dance video) for JAX and TPU pods",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["xdancer_jax*", "configs*", "data_pipeline*", "launch*"]),
    package_data={
        "xdancer_jax": ["shipped/*.json", "shipped/*/*"], "launch.studies": ["page/*"], "launch.reporting": ["page/*"],
    },
    install_requires=CORE,
    extras_require=EXTRAS,
)
