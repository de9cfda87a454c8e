"""Packaging. Every lower bound is a version that the test suite was run with."""

from pathlib import Path

from setuptools import find_packages, setup

CORE = [
    "absl-py>=2.3",
    "array-record>=0.8",
    "av>=18.0",
    "chex>=0.1.91",
    "flax>=0.12.8",
    "grain>=0.2.18",
    "jax>=0.10.2",
    "jaxtyping>=0.3.11",
    "librosa>=0.11",
    "matplotlib>=3.10",
    "ml-collections>=1.1",
    "numpy>=2.3",
    "optax>=0.2.8",
    "orbax-checkpoint>=0.12.8",
    "pillow>=12",
    "scipy>=1.16",
    "tensorboardX>=2.6",
    "tensorflow-datasets>=4.9.10",
    "tqdm>=4.67",
]
EXTRAS = {
    "cuda": ["jax[cuda13]>=0.10.2"],
    "tpu": ["jax[tpu]>=0.10.2"],
    "pose": ["mediapipe>=1.2"],
    "beam": ["apache-beam>=2.60"],
    "parity": ["torch>=2.13", "diffusers>=0.36", "transformers>=4.57"],
    "dev": ["beartype>=0.22", "pytest>=9.0", "pytest-xdist>=3.8", "ruff>=0.14"],
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
    install_requires=CORE,
    extras_require=EXTRAS,
)
