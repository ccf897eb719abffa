"""tmp"""


class Sockets:
    def __init__(self, desk):
        self.slow_count = 0

    def __len__(self):
        return 0

    def on_frame(self, a, b):
        pass

    def close_all(self):
        pass

    def sweep(self, n):
        pass
