"""What a video file says of where its pictures come from, for players, platforms and people who look.

Two places in an MP4: tags that players show (comment, description, encoder), and an XMP packet with IPTC's "Digital
Source Type", in the box that XMP has in MP4 files. Both are lost where a video is encoded anew or stripped of its tags:
docs/model_card.md says what else there is.
"""

import os
import struct
import uuid
import xml.etree.ElementTree as ElementTree
from typing import BinaryIO, Final

import av

_CODES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED: Final = f"{_CODES}trainedAlgorithmicMedia"  # made by a trained model
COMPOSITE: Final = f"{_CODES}compositeWithTrainedAlgorithmicMedia"  # some of what is seen is
MAKER: Final = "xdancer_jax"

_SAID: Final = {
    GENERATED: "AI-generated: these pictures were made by a machine-learning model, they are no recording.",
    COMPOSITE: "Partly AI-generated: pictures made by a machine-learning model, some beside real ones.",
}
_IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP_BOX: Final = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_PACKET: Final = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="{iptc}">
<xmp:CreatorTool>{maker}</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def tags(source: str) -> dict[str, str]:
    """Tags of the container for pictures of a kind, GENERATED or COMPOSITE, by FFmpeg's names."""
    said = _SAID[source]
    return {"comment": said, "description": f"{said} IPTC digital source type: {source}", "encoding_tool": MAKER}


def xmp(source: str) -> bytes:
    """The XMP packet that says the same, for pictures of other formats."""
    return _PACKET.format(iptc=_IPTC, maker=MAKER, source=source).encode()


def append(file: BinaryIO, source: str) -> None:
    """Adds the XMP packet to a finished MP4, after its last box, where it moves nothing."""
    packet = xmp(source)
    file.seek(0, os.SEEK_END)
    file.write(struct.pack(">I4s", 8 + len(_XMP_BOX) + len(packet), b"uuid") + _XMP_BOX + packet)


def source_of(path: str | os.PathLike) -> str | None:
    """IPTC's digital source type of a video file as its XMP states it, in either of XMP's two spellings; None where it
    states none. Raises OSError for a file that cannot be opened as a video."""
    with av.open(os.fspath(path), options={"export_xmp": "1"}) as container:
        packet = container.metadata.get("xmp", "")
    try:
        root = ElementTree.fromstring(packet)
    except ElementTree.ParseError:
        return None
    name = f"{{{_IPTC}}}DigitalSourceType"
    element = root.find(f".//{name}")
    if element is not None:
        return element.text
    return next((each.get(name) for each in root.iter() if name in each.attrib), None)


__all__ = ["COMPOSITE", "GENERATED", "MAKER", "append", "source_of", "tags", "xmp"]
