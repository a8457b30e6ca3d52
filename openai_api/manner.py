"""How an answer is taken in: where it is cut, and whether a whole one is collected from a stream. Decided here alone."""

from msgspec import Struct

from credentials.routing import Step


class Manner(Struct, frozen=True):
    stop_tags: tuple[str, ...] = ()
    stream_internally: bool | None = None
    """None: as it is with each upstream. Whole answers of Gemini come from a stream, those of servers pass as they are."""

    def on(self, step: Step, given: tuple[str, ...] | None) -> "Manner":
        """This is what the settings say. The route of a step overrules it, and `given`, by the caller, the tags of both."""
        route = step.route
        if route is None:
            return self if given is None else Manner(given, self.stream_internally)
        tags = (route.stop_tags or self.stop_tags) if given is None else given
        return Manner(tags, self.stream_internally if route.stream_internally is None else route.stream_internally)
