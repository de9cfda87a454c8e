import pytest

from configs import autoencoder, tokenizer, video
from launch import stages
from launch.runs import resolve, sources
from xdancer_jax.train.parts import Part

APPEARANCE = {"autoencoder", "unet", "reference_net", "image_encoder"}


def _resolved(variant, **changes):
    """The config over untrained earlier stages, as its variants describe them; fields that hold a source stay."""
    config = video.get_config(variant)
    config.update(changes)
    described = {"autoencoder": autoencoder.get_config(config.parts.autoencoder.variant),
                 "tokenizer": tokenizer.get_config(config.parts.tokenizer.variant)}
    return resolve.resolve(config, {name: described[name] for name in stages.find("video").earlier(config)})


def _parts(config):
    return set(stages.find("video").modules(config))


def test_the_papers_appearance_phase_has_no_pose_control_no_motion_modules_and_no_path_round_the_reference_net():
    config = _resolved("paper_appearance")
    assert _parts(config) == APPEARANCE
    assert {name for name in APPEARANCE if config.parts[name].trainable} == {"unet", "reference_net"}
    assert config.objective.noise_offset == config.objective.min_snr_gamma == 0
    assert config.parts.reference_net.source == "part:unet"


@pytest.mark.parametrize("control, more", [("motion_decoder", {"tokenizer"}), ("pose_guider", set())])
def test_the_papers_motion_phase_trains_motion_modules_and_pose_control_alone(control, more):
    config = _resolved("paper_motion", pose_control=control)
    assert _parts(config) == APPEARANCE | {"motion_modules", "pose"} | more
    assert {name for name in _parts(config) if config.parts[name].trainable} == {"motion_modules", "pose"}


def test_the_papers_ablation_differs_in_the_pose_control_alone():
    paper, ablation = video.get_config("paper_motion"), video.get_config("pose_guider_motion")
    assert ablation.pose_control == "pose_guider" and (ablation.steps, ablation.batch_size) == (90_000, 16)
    paper.pose_control = "pose_guider"
    assert paper == ablation


def test_animate_anyone_trains_the_guider_first_and_keeps_it():
    first, second = _resolved("animate_anyone_appearance"), _resolved("animate_anyone_motion")
    assert _parts(first) == APPEARANCE | {"pose"} and _parts(second) == _parts(first) | {"motion_modules"}
    assert first.parts.pose.trainable and second.parts.pose.source == "start" and not second.parts.pose.trainable


def test_tiny_has_what_helps_beyond_the_paper_and_the_flag_has_no_weights_when_off():
    assert {"pose", "photo", "tokenizer"} <= _parts(_resolved("tiny_appearance"))
    assert "photo" not in _parts(_resolved("tiny_appearance", photo_latents=False))
    assert "photo" in _parts(_resolved("paper_appearance", photo_latents=True))


@pytest.mark.parametrize("control", ["motion_decoder", "pose_guider"])
def test_both_pose_controls_start_from_one_appearance_run(control, monkeypatch):
    """At paper size: all but motion modules, pose control and tokenizer are read from it, and are the same modules.
    tests/golden holds that they have the same parameters."""
    appearance, read = stages.find("video").modules(_resolved("paper_appearance")), {}

    def run(config, name, module, where):
        read[name] = where
        if where == "APPEARANCE":
            sources._check_same(name, where, module, appearance[name])
        return {"read": dict, "digest": where}

    monkeypatch.setitem(sources._SOURCES, "run", run)
    config = _resolved("paper_motion", pose_control=control, start="APPEARANCE", dtype="bfloat16")
    config.parts.tokenizer.source = "run:TOKENIZER"
    parts = sources.parts(config)
    tokens = {"tokenizer": "TOKENIZER"} if control == "motion_decoder" else {}
    assert read == dict.fromkeys(APPEARANCE, "APPEARANCE") | tokens
    for name in APPEARANCE:
        assert parts[name] == Part(trainable=(), dtype="bfloat16", read=dict, digest="APPEARANCE")
    assert parts["pose"].read is None and parts["motion_modules"].trainable == (".*",)


@pytest.mark.parametrize("field, value", [("phase", "both"), ("pose_control", "skeleton")])
def test_unknown_choices_are_refused(field, value):
    config = video.get_config("paper_motion")
    config[field] = value
    with pytest.raises(ValueError, match=f"config.{field}='{value}': choose one of"):
        resolve.check(config)


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="unknown variant 'tiny'; choose one of"):
        video.get_config("tiny")
