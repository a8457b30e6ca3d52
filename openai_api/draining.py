"""How many requests whose clients have left are read to their ends at a time."""


class Drains:
    """`most`: beyond them, a client that leaves ends its request, whatever its token says."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.under_way = 0

    def begin(self) -> bool:
        """Whether there is room; to be followed by `end` then."""
        if self.under_way >= self.most:
            return False
        self.under_way += 1
        return True

    def end(self) -> None:
        self.under_way -= 1
