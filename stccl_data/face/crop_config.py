"""The options of face and mouth crops. Imports nothing heavy."""

from typing import Literal

from pydantic import Field

from stccl_data.options import config_class

#: Whose face is cropped if a clip shows several people; see `stccl_data.face.speaker`.
SpeakerRule = Literal["auto", "largest", "left", "right", "center"]
CropMode = Literal["similarity", "bbox", "none"]


@config_class
class CropConfig:
    """How faces and mouths are cropped."""

    #: `similarity`: one smoothed similarity transform per frame; `bbox`: the reference's bounding
    #: box, constant over the clip; `none`: no crops
    crops: CropMode = "similarity"
    #: whose face, if there are several: `auto` weighs how long, large and central each is and
    #: whether its mouth speaks
    speaker: SpeakerRule = "auto"
    #: side of the face crop, pixels
    face_size: int = Field(default=224, ge=16, le=4096)
    #: side of the mouth crop, pixels
    mouth_size: int = Field(default=96, ge=16, le=4096)
    jpeg_quality: int = Field(default=95, ge=1, le=100)
