"""The eight speakers of the demo: one photograph in eight shapes, colours and voices."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Speaker:
    """Voice, shape and colours of a speaker. Shape factors are relative to the photograph."""

    #: a voice of espeak
    voice: str
    #: words per minute
    rate: float
    #: 0-100, in espeak's units
    pitch: float
    #: width of the head
    width: float = 1.0
    #: length of the face below the eyes
    length: float = 1.0
    #: width of the jaw relative to the temples
    jaw: float = 1.0
    #: size of the eyes
    eyes: float = 1.0
    #: width of the nose
    nose: float = 1.0
    #: thickness of the lips
    lips: float = 1.0
    #: width of the mouth
    mouth: float = 1.0
    #: RGB factors
    skin: tuple[float, float, float] = (1.0, 1.0, 1.0)
    #: RGB factors
    hair: tuple[float, float, float] = (1.0, 1.0, 1.0)
    #: RGB, 0-255
    background: tuple[int, int, int] = (196, 190, 194)
    gamma: float = 1.0
    #: standard deviation of the camera noise, grey levels
    noise: float = 1.5
    mirrored: bool = False


SPEAKERS: tuple[Speaker, ...] = (
    Speaker("en-us+m3", 158, 42, width=1.05, jaw=1.07, length=1.04, lips=0.85, nose=1.1,
            skin=(0.97, 0.93, 0.88), hair=(0.45, 0.4, 0.4), background=(120, 150, 128)),
    Speaker("en-us+f2", 168, 58, background=(196, 190, 194)),
    Speaker("en-us+m1", 150, 36, width=0.95, length=1.09, jaw=0.97, mouth=0.95, nose=1.12,
            skin=(0.72, 0.6, 0.52), hair=(0.3, 0.27, 0.27), background=(205, 196, 172),
            gamma=1.05, mirrored=True),
    Speaker("en-us+f4", 175, 64, width=1.03, length=0.95, eyes=1.07, lips=1.15, mouth=0.96,
            skin=(1.03, 1.0, 0.97), hair=(1.05, 0.68, 0.45), background=(96, 116, 158), noise=2.5),
    Speaker("en-us+m7", 162, 40, width=1.0, length=1.06, jaw=1.1, eyes=0.95, lips=0.9, mouth=1.06,
            skin=(0.86, 0.74, 0.64), hair=(0.35, 0.31, 0.31), background=(150, 150, 152),
            gamma=0.92),
    Speaker("en-us+f3", 160, 55, width=0.95, length=1.03, jaw=0.94, nose=0.93, lips=1.2,
            skin=(0.62, 0.5, 0.43), hair=(0.26, 0.23, 0.23), background=(178, 140, 128),
            mirrored=True),
    Speaker("en-us+m5", 170, 46, width=1.08, length=0.97, jaw=1.05, nose=1.06, mouth=1.03,
            skin=(1.05, 0.99, 0.97), hair=(0.75, 0.75, 0.78), background=(84, 92, 100),
            gamma=0.95, noise=2.0),
    Speaker("en-us+f1", 155, 60, width=0.98, length=1.06, jaw=0.96, eyes=1.05, mouth=1.04,
            skin=(0.94, 0.86, 0.76), hair=(0.5, 0.4, 0.36), background=(214, 206, 214), gamma=1.06),
)  # fmt: skip
