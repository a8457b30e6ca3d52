"""The sorts of harm that OpenAI tells apart, and what Google's filters know of them."""

from msgspec import Struct

FLAGGED_FROM = 0.5
"""A score of as much makes a category true."""


class Category(Struct, frozen=True):
    """`meaning` is told to the judge; `of_images`: whether OpenAI judges pictures by it too."""

    name: str
    meaning: str
    of_images: bool = False

    @property
    def field(self) -> str:
        """Its name in the judge's answer, where signs other than letters may not be taken."""
        return self.name.replace("/", "_").replace("-", "_")


CATEGORIES = (
    Category("harassment", "insults, bullies or degrades somebody, or incites others to"),
    Category("harassment/threatening", "harassment that also threatens its target with violence or serious harm"),
    Category("hate", "expresses or incites hatred of a group for its members' origin, faith, sex, orientation or disability"),
    Category("hate/threatening", "hate that also threatens the group with violence or serious harm"),
    Category("illicit", "advises or instructs how to commit a crime or another wrong, or asks for that"),
    Category("illicit/violent", "illicit, and about violence, or about getting hold of a weapon"),
    Category("self-harm", "encourages, approves or depicts suicide, cutting, starving or other harm to oneself", of_images=True),
    Category("self-harm/instructions", "tells how to harm oneself, or encourages to", of_images=True),
    Category("self-harm/intent", "its author tells that they harm themselves, or are going to", of_images=True),
    Category(
        "sexual",
        "is meant to arouse, or shows or offers sexual acts; not education, not medicine",
        of_images=True,
    ),
    Category("sexual/minors", "sexual content with somebody who is under 18"),
    Category("violence", "depicts death, violence or injury, or wishes for them", of_images=True),
    Category("violence/graphic", "depicts death, violence or injury in graphic detail", of_images=True),
)
UNNAMED = "illicit"
"""What Google blocks without saying why is given to the widest category."""

GOOGLES = {
    "HARM_CATEGORY_HARASSMENT": "harassment",
    "HARM_CATEGORY_HATE_SPEECH": "hate",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT": "sexual",
    "HARM_CATEGORY_DANGEROUS_CONTENT": "illicit",
}
PROBABILITIES = {"LOW": 0.3, "MEDIUM": 0.6, "HIGH": 0.9}
"""Google tells four steps. The lowest says that there is nothing."""
BLOCKED = 0.95
