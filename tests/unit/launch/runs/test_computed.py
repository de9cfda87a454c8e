from configs import video
from launch.runs import computed


def test_embeddings_of_another_framing_are_of_another_maker():
    config = video.get_config("paper_motion")
    assert {computed.maker(config, kind, "d1") for kind in computed.PART} == {"d1"}
    config.model.image_encoder.framing = "crop"
    assert computed.maker(config, "embeddings", "d1") == "d1, framing 'crop'"
    assert computed.maker(config, "latents", "d1") == "d1"
