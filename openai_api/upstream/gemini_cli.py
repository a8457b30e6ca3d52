# Placeholder of the lead so that imports work: H5 overwrites this file.
NOT_INSTALLED = ""


class GeminiCli:
    installed = False

    def __init__(self, **given) -> None: ...
