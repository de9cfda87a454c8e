"""stub"""
class SceneCuts:
    starts=()
    def add(self, p): pass
def bounds(times, starts, seconds): return [(0, len(times))]
